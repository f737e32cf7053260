import type { SandboxStatus } from '../types'
import { IsorunError } from './isorun-error'

/** The error object of a JSON-RPC answer. */
export interface WireError {
    code: number
    message: string
    data?: Readonly<Record<string, unknown>>
}

interface EngineErrorRule {
    readonly code: number
    readonly kind: string
    readonly status: number
}

/** An error that the engine answered with. One of a kind that this version does not know is of this class itself. */
export class EngineError extends IsorunError {
    /** @internal */
    static readonly rule: EngineErrorRule | undefined = undefined

    constructor(wire: WireError) {
        const rule = new.target.rule
        super(wire.message, {
            kind: rule?.kind ?? kindNamedBy(wire) ?? 'Engine',
            status: rule?.status ?? 500,
            code: wire.code,
            data: wire.data,
            body: wire,
        })
    }
}

// JSON-RPC and the Language Server Protocol

export class ParseError extends EngineError {
    declare readonly kind: 'Parse'
    /** @internal */
    static override readonly rule = { code: -32700, kind: 'Parse', status: 400 }
}
export class InvalidRequestError extends EngineError {
    declare readonly kind: 'InvalidRequest'
    /** @internal */
    static override readonly rule = { code: -32600, kind: 'InvalidRequest', status: 400 }
}
export class MethodNotFoundError extends EngineError {
    declare readonly kind: 'MethodNotFound'
    /** @internal */
    static override readonly rule = { code: -32601, kind: 'MethodNotFound', status: 501 }
}
export class InvalidParamsError extends EngineError {
    declare readonly kind: 'InvalidParams'
    /** @internal */
    static override readonly rule = { code: -32602, kind: 'InvalidParams', status: 400 }
}
export class InternalError extends EngineError {
    declare readonly kind: 'Internal'
    /** @internal */
    static override readonly rule = { code: -32603, kind: 'Internal', status: 500 }
}
export class ServerNotInitializedError extends EngineError {
    declare readonly kind: 'ServerNotInitialized'
    /** @internal */
    static override readonly rule = { code: -32002, kind: 'ServerNotInitialized', status: 503 }
}

// Sandboxes

export class SandboxNotFoundError extends EngineError {
    declare readonly kind: 'SandboxNotFound'
    /** @internal */
    static override readonly rule = { code: 1001, kind: 'SandboxNotFound', status: 404 }
}
export class SandboxDestroyedError extends EngineError {
    declare readonly kind: 'SandboxDestroyed'
    /** @internal */
    static override readonly rule = { code: 1002, kind: 'SandboxDestroyed', status: 409 }
}
export class WrongStateError extends EngineError {
    declare readonly kind: 'WrongState'
    declare readonly data: { status: SandboxStatus; allowed: SandboxStatus[] }
    /** @internal */
    static override readonly rule = { code: 1003, kind: 'WrongState', status: 409 }
}
export class SandboxFailedError extends EngineError {
    declare readonly kind: 'SandboxFailed'
    /** @internal */
    static override readonly rule = { code: 1004, kind: 'SandboxFailed', status: 500 }
}

// Snapshots

export class SnapshotNotFoundError extends EngineError {
    declare readonly kind: 'SnapshotNotFound'
    /** @internal */
    static override readonly rule = { code: 1010, kind: 'SnapshotNotFound', status: 404 }
}
export class SnapshotIncompatibleError extends EngineError {
    declare readonly kind: 'SnapshotIncompatible'
    declare readonly data: { reason: string }
    /** @internal */
    static override readonly rule = { code: 1011, kind: 'SnapshotIncompatible', status: 409 }
}
export class SnapshotCorruptError extends EngineError {
    declare readonly kind: 'SnapshotCorrupt'
    /** @internal */
    static override readonly rule = { code: 1012, kind: 'SnapshotCorrupt', status: 500 }
}

// Images

export class ImageNotFoundError extends EngineError {
    declare readonly kind: 'ImageNotFound'
    /** @internal */
    static override readonly rule = { code: 1020, kind: 'ImageNotFound', status: 404 }
}
export class ImageInvalidError extends EngineError {
    declare readonly kind: 'ImageInvalid'
    /** @internal */
    static override readonly rule = { code: 1021, kind: 'ImageInvalid', status: 422 }
}
export class ImageInUseError extends EngineError {
    declare readonly kind: 'ImageInUse'
    /** @internal */
    static override readonly rule = { code: 1022, kind: 'ImageInUse', status: 409 }
}
export class PullFailedError extends EngineError {
    declare readonly kind: 'PullFailed'
    /** @internal */
    static override readonly rule = { code: 1023, kind: 'PullFailed', status: 502 }
}

// Processes

export class ProcessNotFoundError extends EngineError {
    declare readonly kind: 'ProcessNotFound'
    /** @internal */
    static override readonly rule = { code: 1030, kind: 'ProcessNotFound', status: 404 }
}
export class CommandNotFoundError extends EngineError {
    declare readonly kind: 'CommandNotFound'
    /** @internal */
    static override readonly rule = { code: 1031, kind: 'CommandNotFound', status: 404 }
}
export class CommandNotExecutableError extends EngineError {
    declare readonly kind: 'CommandNotExecutable'
    /** @internal */
    static override readonly rule = { code: 1032, kind: 'CommandNotExecutable', status: 403 }
}
export class StdinClosedError extends EngineError {
    declare readonly kind: 'StdinClosed'
    /** @internal */
    static override readonly rule = { code: 1033, kind: 'StdinClosed', status: 409 }
}

// Files

export class PathNotFoundError extends EngineError {
    declare readonly kind: 'PathNotFound'
    /** @internal */
    static override readonly rule = { code: 1040, kind: 'PathNotFound', status: 404 }
}
export class PathExistsError extends EngineError {
    declare readonly kind: 'PathExists'
    /** @internal */
    static override readonly rule = { code: 1041, kind: 'PathExists', status: 409 }
}
export class PathNotDirectoryError extends EngineError {
    declare readonly kind: 'PathNotDirectory'
    /** @internal */
    static override readonly rule = { code: 1042, kind: 'PathNotDirectory', status: 409 }
}
export class PathIsDirectoryError extends EngineError {
    declare readonly kind: 'PathIsDirectory'
    /** @internal */
    static override readonly rule = { code: 1043, kind: 'PathIsDirectory', status: 409 }
}
export class PermissionDeniedError extends EngineError {
    declare readonly kind: 'PermissionDenied'
    /** @internal */
    static override readonly rule = { code: 1044, kind: 'PermissionDenied', status: 403 }
}
/** `sandbox/commit`: the host's folder has changed in the same places since it was copied; nothing was applied. */
export class CommitConflictError extends EngineError {
    declare readonly kind: 'CommitConflict'
    declare readonly data: { conflicts: { path: string; reason: 'addedOnHost' | 'changedOnHost' | 'deletedOnHost' }[] }
    /** @internal */
    static override readonly rule = { code: 1045, kind: 'CommitConflict', status: 409 }
}

// Runtime state, limits, the machine, the store

export class RuntimeStateUnsupportedError extends EngineError {
    declare readonly kind: 'RuntimeStateUnsupported'
    declare readonly data: { processes: { pid: number; command: string; reason: string }[] }
    /** @internal */
    static override readonly rule = { code: 1050, kind: 'RuntimeStateUnsupported', status: 409 }
}
export class LimitExceededError extends EngineError {
    declare readonly kind: 'LimitExceeded'
    declare readonly data: { limit: unknown }
    /** @internal */
    static override readonly rule = { code: 1060, kind: 'LimitExceeded', status: 429 }
}
export class NoSpaceError extends EngineError {
    declare readonly kind: 'NoSpace'
    /** @internal */
    static override readonly rule = { code: 1061, kind: 'NoSpace', status: 507 }
}
export class NetworkUnavailableError extends EngineError {
    declare readonly kind: 'NetworkUnavailable'
    declare readonly data: { reason: string; fix: string }
    /** @internal */
    static override readonly rule = { code: 1070, kind: 'NetworkUnavailable', status: 503 }
}
export class HostUnsupportedError extends EngineError {
    declare readonly kind: 'HostUnsupported'
    declare readonly data: { feature: string; reason: string; fix: string }
    /** @internal */
    static override readonly rule = { code: 1080, kind: 'HostUnsupported', status: 501 }
}
export class StoreLockedError extends EngineError {
    declare readonly kind: 'StoreLocked'
    /** @internal */
    static override readonly rule = { code: 1090, kind: 'StoreLocked', status: 423 }
}
export class StoreCorruptError extends EngineError {
    declare readonly kind: 'StoreCorrupt'
    /** @internal */
    static override readonly rule = { code: 1091, kind: 'StoreCorrupt', status: 500 }
}

function kindNamedBy(wire: WireError): string | undefined {
    return typeof wire.data?.kind === 'string' ? wire.data.kind : undefined
}
