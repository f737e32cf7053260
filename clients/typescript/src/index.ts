export { Isorun } from './isorun'
export { Sandbox } from './sandbox'
export * from './errors'
export * from './types'
