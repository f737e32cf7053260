import type { EngineSession } from './engine-session'
import type { Snapshot } from './types'

/** A snapshot as the engine sends it. */
export type WireSnapshot = Omit<Snapshot, 'runId'>

/** Adds the hosted service's name for the sandbox that the snapshot was taken of. */
export function snapshotFromWire(wire: WireSnapshot): Snapshot {
    return { ...wire, runId: wire.sandboxId }
}

/** Deletes a snapshot that a request made after it had been cancelled. */
export function discardSnapshot(session: EngineSession, { id }: WireSnapshot): void {
    session.call('snapshot/delete', { snapshotId: id })
        .catch((error: Error) => process.emitWarning(`isorun: snapshot ${id} is left over: ${error.message}`))
}
