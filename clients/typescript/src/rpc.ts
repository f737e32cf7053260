import type { Cancellation } from './cancellation'
import { MessageTooLargeError } from './errors'
import type { IsorunError, WireError } from './errors'
import { errorFromWire } from './errors/from-wire'
import type { QueuedFrame } from './transport/outbox'
import { encodeFrame, MAX_OUTGOING_BODY_BYTES } from './transport/framing'

const METHOD_NOT_FOUND = -32601

/** How long the answer to a cancelled request may keep the Node process alive; a healthy engine needs milliseconds. */
const CANCEL_GRACE_MS = 2000

/** Where messages go: the engine's process, or whatever stands for it. */
export interface RpcTransport {
    readonly outbox: {
        send(bytes: Buffer, options?: { urgent?: boolean }): QueuedFrame
        withdraw(frame: QueuedFrame): boolean
    }
    hold(): () => void
}

export interface RpcListener {
    onNotification(method: string, params: Record<string, unknown>): void
    /** The engine sent what JSON-RPC does not allow. */
    onViolation(violation: string): void
}

export interface RequestOptions<Result> {
    cancellation: Cancellation
    /** Takes back what a request has done that was cancelled too late. */
    undo?: ((result: Result) => void) | undefined
}

interface PendingRequest {
    readonly method: string
    resolve(result: unknown): void
    reject(error: Error): void
}

/**
 * JSON-RPC 2.0 over frames, the client's side.
 *
 * A request is handed to the transport once and never again, whatever happens.
 */
export class RpcConnection {
    private readonly pending = new Map<number, PendingRequest>()
    private nextId = 1
    private endedBy: ((method: string) => IsorunError) | undefined

    constructor(private readonly transport: RpcTransport, private readonly listener: RpcListener) {}

    /**
     * Sends a request. A cancelled one rejects at once; one that has not left this process is never sent then, any
     * other is cancelled in the engine, and `undo` gets the result if it was carried out all the same.
     * @throws the typed error of an error answer; what `end` was given; the cancellation's error.
     */
    request<Result>(method: string, params: unknown, options: RequestOptions<Result>): Promise<Result> {
        const { cancellation, undo } = options
        return new Promise<Result>((resolve, reject) => {
            if (this.endedBy !== undefined) throw this.endedBy(method)
            if (cancellation.error !== undefined) throw cancellation.error
            const id = this.nextId++
            const message = encodeRequest(id, method, params)
            const release = this.transport.hold()
            const frame = this.transport.outbox.send(message)
            const forgetCancellation = cancellation.onStop((error) => {
                reject(error)
                if (this.transport.outbox.withdraw(frame)) {
                    this.pending.delete(id)
                    release()
                } else {
                    this.cancel(id, method, release, undo)
                }
            })
            const settled = (): void => {
                forgetCancellation()
                release()
            }
            this.pending.set(id, {
                method,
                resolve: (result) => { settled(); resolve(result as Result) },
                reject: (error) => { settled(); reject(error) },
            })
        })
    }

    notify(method: string, params: unknown, options: { urgent?: boolean } = {}): void {
        this.send({ jsonrpc: '2.0', method, params }, options)
    }

    /** Takes in one message of the engine. */
    receive(body: Buffer): void {
        if (this.endedBy !== undefined) return
        const message = parseObject(body)
        if (message === undefined) return this.violation('a message that is not a JSON object')
        if (typeof message.method === 'string') return this.receiveCall(message.method, message)
        this.receiveAnswer(message)
    }

    /** Rejects every request, pending or still to be made, with the error that `errorFor` makes for its method. */
    end(errorFor: (method: string) => IsorunError): void {
        if (this.endedBy !== undefined) return
        this.endedBy = errorFor
        const interrupted = [...this.pending.values()]
        this.pending.clear()
        for (const request of interrupted) request.reject(errorFor(request.method))
    }

    private cancel<Result>(id: number, method: string, release: () => void,
                           undo: ((result: Result) => void) | undefined): void {
        const grace = setTimeout(release, CANCEL_GRACE_MS)
        const done = (): void => {
            clearTimeout(grace)
            release()
        }
        this.pending.set(id, {
            method,
            resolve: (result) => {
                undo?.(result as Result)
                done()
            },
            reject: done, // The expected answer: it was cancelled. The caller has had its error.
        })
        this.notify('$/cancelRequest', { id }, { urgent: true })
    }

    private receiveCall(method: string, message: Record<string, unknown>): void {
        if (message.id === undefined) {
            this.listener.onNotification(method, isObject(message.params) ? message.params : {})
        } else {
            const error = { code: METHOD_NOT_FOUND, message: `The client has no method ${method}.` }
            this.send({ jsonrpc: '2.0', id: message.id, error })
        }
    }

    private receiveAnswer(message: Record<string, unknown>): void {
        const request = typeof message.id === 'number' ? this.pending.get(message.id) : undefined
        const error = message.error === undefined ? undefined : asWireError(message.error)
        if (request === undefined) {
            const about = error === undefined ? '' : ` (${error.message})`
            return this.violation(`an answer to no request of ours, id ${JSON.stringify(message.id)}${about}`)
        }
        if ((error === undefined) === (message.result === undefined)) {
            return this.violation(`an answer to ${request.method} that is neither a result nor an error`)
        }
        this.pending.delete(message.id as number)
        if (error === undefined) request.resolve(message.result)
        else request.reject(errorFromWire(error))
    }

    private send(message: unknown, options?: { urgent?: boolean }): void {
        this.transport.outbox.send(encodeFrame(JSON.stringify(message)), options)
    }

    private violation(what: string): void {
        this.listener.onViolation(what)
    }
}

function encodeRequest(id: number, method: string, params: unknown): Buffer {
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
    const bytes = Buffer.byteLength(body, 'utf8')
    if (bytes > MAX_OUTGOING_BODY_BYTES) throw new MessageTooLargeError(method, bytes, MAX_OUTGOING_BODY_BYTES)
    return encodeFrame(body)
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(body.toString('utf8'))
        return isObject(value) ? value : undefined
    } catch {
        return undefined // Reported by the caller as a violation.
    }
}

function asWireError(value: unknown): WireError | undefined {
    if (!isObject(value) || typeof value.code !== 'number' || typeof value.message !== 'string') return undefined
    return { code: value.code, message: value.message, ...(isObject(value.data) ? { data: value.data } : {}) }
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === 'object' && value !== null && !Array.isArray(value)
}
