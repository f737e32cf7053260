import type { Snapshot } from './types'

/** A snapshot as the engine sends it. */
export type WireSnapshot = Omit<Snapshot, 'runId'>

/** Adds the hosted service's name for the sandbox that the snapshot was taken of. */
export function snapshotFromWire(wire: WireSnapshot): Snapshot {
    return { ...wire, runId: wire.sandboxId }
}
