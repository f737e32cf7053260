import { AbortError, RequestTimeoutError } from './errors'
import type { IsorunError } from './errors'
import { invalidParams } from './errors/invalid-params'
import type { CallOptions } from './types'

/** The longest delay of Node's timers; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** A call's signal and its time limit as one thing that can stop it, at most once. Dispose of it after the call. */
export class Cancellation {
    /** Why the call was stopped; undefined while it was not. */
    error: IsorunError | undefined
    private readonly listeners = new Set<(error: IsorunError) => void>()
    private timer: Timer | undefined
    private readonly abort = (): void => {
        this.stop(new AbortError(`${this.method} was aborted.`, this.options.signal?.reason))
    }

    /** @throws InvalidParamsError when `timeoutMs` is not a positive number. */
    constructor(private readonly method: string, private readonly options: CallOptions) {
        const { signal, timeoutMs } = options
        if (timeoutMs !== undefined) this.startTimer(timeoutMs)
        if (signal?.aborted === true) this.abort()
        else signal?.addEventListener('abort', this.abort, { once: true })
    }

    /** Calls `listener` when the call is stopped, at once if it already was; the returned function takes it back. */
    onStop(listener: (error: IsorunError) => void): () => void {
        if (this.error !== undefined) listener(this.error)
        else this.listeners.add(listener)
        return () => this.listeners.delete(listener)
    }

    /** Settles as `promise` does, or rejects as soon as the call is stopped. */
    race<T>(promise: Promise<T>): Promise<T> {
        return new Promise((resolve, reject) => {
            this.onStop(reject)
            promise.then(resolve, reject)
        })
    }

    dispose(): void {
        clearTimeout(this.timer)
        this.options.signal?.removeEventListener('abort', this.abort)
        this.listeners.clear()
    }

    private startTimer(timeoutMs: number): void {
        if (!(timeoutMs > 0)) {
            throw invalidParams(`timeoutMs of ${this.method}: expected a positive number, got ${String(timeoutMs)}.`)
        }
        const stop = (): void => this.stop(new RequestTimeoutError(this.method, timeoutMs))
        if (timeoutMs <= MAX_TIMER_MS) this.timer = setTimeout(stop, timeoutMs)
    }

    private stop(error: IsorunError): void {
        if (this.error !== undefined) return
        this.error = error
        for (const listener of this.listeners) listener(error)
    }
}
