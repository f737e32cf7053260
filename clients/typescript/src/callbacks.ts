import type { CallOptions } from './types'

/** Runs a callback of the caller's, unless one has thrown before. */
export type Guard = (callback: () => void) => void

/** Makes a call with callbacks of the caller's. One that throws cancels the call, which rejects with its error then. */
export async function withCallbacks<Result>(
    options: CallOptions, call: (guard: Guard, options: CallOptions) => Promise<Result>,
): Promise<Result> {
    const stopper = new AbortController()
    const forwardAbort = (): void => stopper.abort(options.signal?.reason)
    let thrown: { error: unknown } | undefined
    const guard = (callback: () => void): void => {
        if (thrown !== undefined) return
        try {
            callback()
        } catch (error) {
            thrown = { error }
            stopper.abort(error)
        }
    }
    try {
        if (options.signal?.aborted === true) forwardAbort()
        else options.signal?.addEventListener('abort', forwardAbort, { once: true })
        const result = await call(guard, { ...options, signal: stopper.signal })
        if (thrown !== undefined) throw thrown.error
        return result
    } catch (error) {
        throw thrown === undefined ? error : thrown.error
    } finally {
        options.signal?.removeEventListener('abort', forwardAbort)
    }
}
