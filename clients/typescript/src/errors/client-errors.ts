import { IsorunError } from './isorun-error'

/** The call was cancelled, by its signal or in the engine. Named `AbortError`, as by every other Node API. */
export class AbortError extends IsorunError {
    declare readonly kind: 'RequestCancelled'
    constructor(message: string, cause?: unknown, body?: unknown) {
        super(message, { kind: 'RequestCancelled', status: 499, code: 'ABORT_ERR', cause, body })
        this.name = 'AbortError'
    }
}

/** No answer came within the call's `timeoutMs`; the request was cancelled. */
export class RequestTimeoutError extends IsorunError {
    declare readonly kind: 'RequestTimeout'
    constructor(method: string, timeoutMs: number) {
        super(`The engine did not answer ${method} within ${timeoutMs} ms; the request was cancelled.`, {
            kind: 'RequestTimeout',
            status: 408,
            code: 'ERR_REQUEST_TIMEOUT',
            data: { method, timeoutMs },
        })
    }
}

/** The local engine does not offer what the hosted service does. */
export class NotSupportedError extends IsorunError {
    declare readonly kind: 'NotSupported'
    constructor(message: string) {
        super(message, { kind: 'NotSupported', status: 501, code: 'ERR_NOT_SUPPORTED' })
    }
}

/** The request is larger than the engine accepts, and was not sent. */
export class MessageTooLargeError extends IsorunError {
    declare readonly kind: 'MessageTooLarge'
    constructor(method: string, bytes: number, limit: number) {
        super(`The ${method} request has ${bytes} bytes; the engine accepts ${limit}. Large files: use copyIn.`, {
            kind: 'MessageTooLarge',
            status: 413,
            code: 'ERR_MESSAGE_TOO_LARGE',
            data: { method, bytes, limit },
        })
    }
}

/** The engine's program could not be found or started; no request was sent. */
export class EngineNotFoundError extends IsorunError {
    declare readonly kind: 'EngineNotFound'
    constructor(message: string, cause?: unknown) {
        super(message, { kind: 'EngineNotFound', status: 503, code: 'ERR_ENGINE_NOT_FOUND', cause })
    }
}

/** How an engine's process ended. */
export interface EngineExit {
    exitCode: number | null
    signal: string | null
    /** The last lines that it wrote to its standard error. */
    stderr: string
}

/** The engine ended before it answered, perhaps before the call. What was under way may have taken effect. */
export class EngineExitedError extends IsorunError {
    declare readonly kind: 'EngineExited'
    readonly exitCode: number | null
    readonly signal: string | null
    /** The last lines that the engine wrote to its standard error. */
    readonly stderr: string

    constructor(method: string, exit: EngineExit) {
        const how = exit.signal === null ? `code ${exit.exitCode}` : `signal ${exit.signal}`
        const lastWords = exit.stderr === '' ? '' : `\nIts last lines of standard error:\n${exit.stderr}`
        super(`${method} was not answered: the engine exited with ${how}. ` +
            `Call connect() to start a new one.${lastWords}`, {
            kind: 'EngineExited',
            status: 503,
            code: 'ERR_ENGINE_EXITED',
            data: { method, ...exit },
        })
        this.exitCode = exit.exitCode
        this.signal = exit.signal
        this.stderr = exit.stderr
    }
}

/** The engine sent what is not the protocol; it was ended, because nothing that follows can be trusted. */
export class EngineProtocolError extends IsorunError {
    declare readonly kind: 'EngineProtocol'
    constructor(method: string, violation: string) {
        super(`${method} was not answered: the engine sent ${violation}.`, {
            kind: 'EngineProtocol',
            status: 502,
            code: 'ERR_ENGINE_PROTOCOL',
            data: { method, violation },
        })
    }
}

/** The client was closed before the call, or while it waited for its answer. */
export class ConnectionClosedError extends IsorunError {
    declare readonly kind: 'ConnectionClosed'
    constructor(method: string) {
        super(`${method} was not answered: the client is closed. Call connect() to start a new engine.`, {
            kind: 'ConnectionClosed',
            status: 503,
            code: 'ERR_CONNECTION_CLOSED',
            data: { method },
        })
    }
}
