export interface IsorunErrorDetails {
    kind: string
    status: number
    code: number | string
    data?: Readonly<Record<string, unknown>>
    body?: unknown
    cause?: unknown
}

/** Every failure of this package. Subclasses name the kind; `status` serves programs written for HTTP statuses. */
export class IsorunError extends Error {
    /** The stable name of what went wrong, for example `SandboxNotFound`. */
    readonly kind: string
    /** The nearest HTTP status: 404 unknown, 409 wrong state, 429 limit, 500 internal… */
    readonly status: number
    /** The engine's JSON-RPC error code, or a Node-style name for what went wrong on this side. */
    readonly code: number | string
    /** The details that belong to the kind; empty when there are none. */
    readonly data: Readonly<Record<string, unknown>>
    /** The engine's whole error object; absent when the engine did not answer. */
    readonly body?: unknown
    readonly cause?: unknown

    constructor(message: string, details: IsorunErrorDetails) {
        super(message)
        this.name = `${details.kind}Error`
        this.kind = details.kind
        this.status = details.status
        this.code = details.code
        this.data = details.data ?? {}
        if (details.body !== undefined) this.body = details.body
        if (details.cause !== undefined) this.cause = details.cause
    }
}
