export * from './isorun-error'
export * from './client-errors'
export * from './engine-errors'
