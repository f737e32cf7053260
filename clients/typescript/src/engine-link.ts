import { Cancellation } from './cancellation'
import { ConnectionClosedError, EngineExitedError, EngineProtocolError } from './errors'
import { RpcConnection } from './rpc'
import type { RequestOptions } from './rpc'
import { EngineProcess } from './transport/engine-process'
import { findEngine } from './transport/find-engine'
import type { EngineDescription, IsorunOptions } from './types'
import { VERSION } from './version'

const PROTOCOL_VERSION = '1'

/** A start takes milliseconds; one that takes this long will not succeed, and must not keep a program waiting. */
const START_LIMIT_MS = 30_000

/** How long the engine may take to destroy its sandboxes on close before it is killed. */
const CLOSE_GRACE_MS = 5000

export interface EngineLinkListener {
    onNotification(method: string, params: Record<string, unknown>): void
    /** From now on every request rejects. */
    onEnd(): void
}

/** One engine, from its start to its end. */
export class EngineLink {
    private readonly rpc: RpcConnection
    private readonly exited: Promise<void>
    private closed: Promise<void> | undefined
    private engineDescription: EngineDescription | undefined

    /**
     * Starts the engine's process; `initialize` must follow.
     * @throws EngineNotFoundError
     */
    static async start(options: IsorunOptions, listener: EngineLinkListener): Promise<EngineLink> {
        const command = findEngine(options.engine, process.env)
        return new EngineLink(await EngineProcess.start(command, { ...process.env, ...options.env }), listener)
    }

    private constructor(private readonly engine: EngineProcess, private readonly listener: EngineLinkListener) {
        this.rpc = new RpcConnection(engine, {
            onNotification: (method, params) => listener.onNotification(method, params),
            onViolation: (violation) => this.refuse(violation),
        })
        this.exited = new Promise((resolve) => {
            engine.listen({
                onBody: (body) => this.rpc.receive(body),
                onViolation: (violation) => this.refuse(violation),
                onExit: (exit) => {
                    this.rpc.end((method) => new EngineExitedError(method, exit))
                    listener.onEnd()
                    resolve()
                },
            })
        })
    }

    /** What the engine said of itself. */
    get description(): EngineDescription {
        if (this.engineDescription === undefined) throw new Error('initialize() comes first')
        return this.engineDescription
    }

    /** Introduces both sides to each other. On failure the engine is ended. */
    async initialize({ store, limits }: IsorunOptions): Promise<void> {
        const cancellation = new Cancellation('initialize', { timeoutMs: START_LIMIT_MS })
        try {
            const description = await this.request<EngineDescription>('initialize', {
                clientInfo: { name: 'isorun', version: VERSION },
                protocolVersion: PROTOCOL_VERSION,
                clientProcessId: process.pid,
                store,
                limits,
            }, { cancellation })
            if (description.protocolVersion !== PROTOCOL_VERSION) {
                throw new EngineProtocolError('initialize',
                    `protocol version ${String(description.protocolVersion)}, not ${PROTOCOL_VERSION}`)
            }
            this.rpc.notify('initialized', {})
            this.engineDescription = description
        } catch (error) {
            await this.close()
            throw error
        } finally {
            cancellation.dispose()
        }
    }

    request<Result>(method: string, params: unknown, options: RequestOptions<Result>): Promise<Result> {
        return this.rpc.request(method, params, options)
    }

    /**
     * Ends the engine and waits for its end; kills it when it takes too long. Pending requests are answered or reject
     * with `ConnectionClosedError`. Never rejects; calling it again is harmless.
     */
    close(): Promise<void> {
        this.closed ??= this.shutDown()
        return this.closed
    }

    private async shutDown(): Promise<void> {
        const release = this.engine.hold()
        const deadline = setTimeout(() => this.engine.kill(), CLOSE_GRACE_MS)
        if (this.engineDescription !== undefined) await this.requestShutdown()
        this.rpc.end((method) => new ConnectionClosedError(method))
        this.listener.onEnd()
        this.rpc.notify('exit', undefined)
        this.engine.endInput()
        await this.exited
        clearTimeout(deadline)
        release()
    }

    private async requestShutdown(): Promise<void> {
        const cancellation = new Cancellation('shutdown', { timeoutMs: CLOSE_GRACE_MS })
        try {
            await this.request('shutdown', undefined, { cancellation })
        } catch {
            // Dead already, or unwilling: the end of its input or the deadline ends it.
        } finally {
            cancellation.dispose()
        }
    }

    /** Nothing after the violation can be trusted, so the engine is ended. */
    private refuse(violation: string): void {
        this.rpc.end((method) => new EngineProtocolError(method, violation))
        this.listener.onEnd()
        this.engine.kill()
    }
}
