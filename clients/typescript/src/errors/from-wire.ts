import { AbortError } from './client-errors'
import * as engineErrors from './engine-errors'
import type { WireError } from './engine-errors'
import type { IsorunError } from './isorun-error'

const REQUEST_CANCELLED = -32800

const classOfCode = new Map(Object.values(engineErrors).map((errorClass) => [errorClass.rule?.code, errorClass]))

/** The typed error for an error answer; an unknown code gives an `EngineError`, so that it still reaches the caller. */
export function errorFromWire(wire: WireError): IsorunError {
    if (wire.code === REQUEST_CANCELLED) return new AbortError(wire.message, undefined, wire)
    return new (classOfCode.get(wire.code) ?? engineErrors.EngineError)(wire)
}
