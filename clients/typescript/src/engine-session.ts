import { Cancellation } from './cancellation'
import { EngineLink } from './engine-link'
import { ConnectionClosedError } from './errors'
import type { CallOptions, EngineDescription, IsorunOptions, Progress } from './types'

/** A piece of a command's output. */
export interface OutputChunk {
    readonly stream: 'stdout' | 'stderr'
    readonly data: string
}

/** What is told of an attached process. */
export type ProcessEvent =
    | { readonly kind: 'output'; readonly stream: 'stdout' | 'stderr'; readonly data: string; readonly cursor: number }
    | { readonly kind: 'ended'; readonly stream: 'stdout' | 'stderr'; readonly reason: 'eof' | 'interrupted' }

/** What is told under a token that is sent with a request, as `outputToken` or `workDoneToken`. */
export interface Subscription {
    readonly token: string
    end(): void
}

/** One try to reach an engine; over when it failed or its engine has ended. */
interface Attempt {
    /** Settles when the engine's process has started. */
    readonly link: Promise<EngineLink>
    /** Settles when the engine takes requests. */
    readonly ready: Promise<EngineLink>
    over: boolean
}

/**
 * The client's connection through its whole life, over several engines.
 *
 * The first call starts an engine. After its end, or after `close`, every call rejects until `connect` starts
 * another one: a program must know that its sandboxes are gone.
 */
export class EngineSession {
    private attempt: Attempt | undefined
    private closed: Promise<void> | undefined
    private readonly outputs = new Map<string, (chunk: OutputChunk) => void>()
    private readonly processes = new Map<string, (event: ProcessEvent) => void>()
    private readonly progresses = new Map<string, (progress: Progress) => void>()
    private nextToken = 1

    constructor(private readonly options: IsorunOptions) {}

    /** Starts an engine unless one is running; after `close` and after an engine's end, a new one. */
    async connect(options: CallOptions = {}): Promise<EngineDescription> {
        const cancellation = new Cancellation('connect', options)
        try {
            await cancellation.race(this.closed ?? Promise.resolve())
            this.closed = undefined
            if (this.attempt === undefined || this.attempt.over) this.attempt = this.open()
            return (await cancellation.race(this.attempt.ready)).description
        } finally {
            cancellation.dispose()
        }
    }

    /**
     * Sends one request, in the order of the calls.
     * `undo` gets the result of a request that was carried out although the call had been cancelled.
     */
    async call<Result>(method: string, params: unknown, options: CallOptions = {},
                       undo?: (result: Result) => void): Promise<Result> {
        if (this.closed !== undefined) throw new ConnectionClosedError(method)
        const cancellation = new Cancellation(method, options)
        try {
            this.attempt ??= this.open()
            const link = await cancellation.race(this.attempt.ready)
            return await link.request(method, params, { cancellation, undo })
        } finally {
            cancellation.dispose()
        }
    }

    /** Ends the engine, and waits for its end. Calling it again is harmless. */
    close(): Promise<void> {
        this.closed ??= this.closeAttempt()
        return this.closed
    }

    /** Passes the output that the engine sends under a new token to `onChunk`, until it is ended. */
    subscribeOutput(onChunk: (chunk: OutputChunk) => void): Subscription {
        return this.subscribe(this.outputs, `output-${this.nextToken++}`, onChunk)
    }

    /** Passes on how far the request has come that carries a new token, until it is ended. */
    subscribeProgress(onProgress: (progress: Progress) => void): Subscription {
        return this.subscribe(this.progresses, `work-${this.nextToken++}`, onProgress)
    }

    /** Passes on what the engine sends of an attached process, until it is ended or another takes its place. */
    subscribeProcess(sandboxId: string, processId: string, onEvent: (event: ProcessEvent) => void): Subscription {
        return this.subscribe(this.processes, `${sandboxId}/${processId}`, onEvent)
    }

    private subscribe<Event>(listeners: Map<string, (event: Event) => void>, token: string,
                             listener: (event: Event) => void): Subscription {
        listeners.set(token, listener)
        return { token, end: () => { if (listeners.get(token) === listener) listeners.delete(token) } }
    }

    private open(): Attempt {
        const link = EngineLink.start(this.options, {
            onNotification: (method, params) => this.receive(method, params),
            onEnd: () => { attempt.over = true },
        })
        const ready = link.then(async (started) => {
            await started.initialize(this.options)
            return started
        })
        const attempt: Attempt = { link, ready, over: false }
        ready.catch(() => { attempt.over = true })
        return attempt
    }

    private async closeAttempt(): Promise<void> {
        const attempt = this.attempt
        this.attempt = undefined
        if (attempt === undefined) return
        const link = await attempt.link.catch(() => undefined) // One that failed has left nothing to close.
        await link?.close()
    }

    /** Notifications of other kinds are for clients that asked for them, as the language server protocol has it. */
    private receive(method: string, params: Record<string, unknown>): void {
        if (method === 'process/output' || method === 'process/outputEnded') this.receiveProcessEvent(params)
        if (typeof params.token !== 'string') return
        if (method === 'exec/output') this.receiveOutput(params.token, params)
        if (method === '$/progress') this.receiveProgress(params.token, params.value)
    }

    private receiveOutput(token: string, { stream, data }: Record<string, unknown>): void {
        if (typeof data !== 'string' || (stream !== 'stdout' && stream !== 'stderr')) return
        this.outputs.get(token)?.({ stream, data })
    }

    private receiveProcessEvent({ sandboxId, processId, stream, ...event }: Record<string, unknown>): void {
        const listener = this.processes.get(`${String(sandboxId)}/${String(processId)}`)
        if (listener === undefined || (stream !== 'stdout' && stream !== 'stderr')) return
        if (event.reason === 'eof' || event.reason === 'interrupted') listener({ kind: 'ended', stream, reason: event.reason })
        if (typeof event.data !== 'string' || typeof event.cursor !== 'number') return
        const data = event.encoding === 'base64' ? Buffer.from(event.data, 'base64').toString('utf8') : event.data
        listener({ kind: 'output', stream, data, cursor: event.cursor })
    }

    private receiveProgress(token: string, value: unknown): void {
        if (typeof value !== 'object' || value === null) return
        const { kind, ...progress } = value as Progress & { kind?: unknown }
        if (kind === 'report') this.progresses.get(token)?.(progress)
    }
}
