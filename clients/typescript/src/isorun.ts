import { asyncDispose } from './async-dispose'
import { createParams, networkProfiles } from './create-params'
import { EngineSession } from './engine-session'
import { SandboxDestroyedError, SandboxNotFoundError, WrongStateError } from './errors'
import { Sandbox } from './sandbox'
import { SandboxLog, usageOf } from './sandbox-log'
import { snapshotFromWire } from './snapshots'
import type { WireSnapshot } from './snapshots'
import type {
    CallOptions, CreateOptions, EngineDescription, FileChange, IsorunOptions, Labels, NetworkProfile, SandboxInfo,
    SandboxOverrides, SandboxStats, Snapshot, UsageRecord,
} from './types'

/**
 * A client with an engine of its own, which its first call starts.
 *
 * The engine's running sandboxes end with it: on `close`, at the end of this process, however it ends. Snapshots and
 * hibernated sandboxes stay in the store. A client at rest does not keep the process alive.
 */
export class Isorun {
    private readonly session: EngineSession
    private readonly log = new SandboxLog()

    constructor(options: IsorunOptions = {}) {
        this.session = new EngineSession(options)
    }

    /** Starts the engine ahead of need, or a new one after the last has ended; tells what it offers. */
    async connect(options: CallOptions = {}): Promise<EngineDescription> {
        return this.session.connect(options)
    }

    /** Ends the engine and waits for its end; calls that are pending reject. Calling it again is harmless. */
    async close(): Promise<void> {
        await this.session.close()
    }

    async create(createOptions: CreateOptions = {}, options: CallOptions = {}): Promise<Sandbox> {
        return this.makeSandbox('sandbox/create', createParams(createOptions), options)
    }

    /** A new sandbox, with an id of its own, in the state that the snapshot holds. */
    async restore(snapshotId: string, overrides: SandboxOverrides = {}, options: CallOptions = {}): Promise<Sandbox> {
        return this.makeSandbox('sandbox/restore', { ...overrides, snapshotId }, options)
    }

    /** The sandbox, or `null` when there is none with this id (any more). */
    async get(id: string, options: CallOptions = {}): Promise<Sandbox | null> {
        const info = await unlessGone(this.session.call<SandboxInfo>('sandbox/get', { sandboxId: id }, options))
        return info === undefined ? null : this.attach(info)
    }

    /** The sandboxes that are not destroyed; with labels, those that carry them all. */
    async list(filter: { labels?: Labels } = {}, options: CallOptions = {}): Promise<Sandbox[]> {
        return (await this.listInfos(filter, options)).map((info) => this.attach(info))
    }

    /** Newest first. */
    async listSnapshots(filter: { sandboxId?: string; labels?: Labels } = {},
                        options: CallOptions = {}): Promise<Snapshot[]> {
        const { snapshots } =
            await this.session.call<{ snapshots: WireSnapshot[] }>('snapshot/list', { ...filter }, options)
        return snapshots.map(snapshotFromWire)
    }

    /** @throws SnapshotNotFoundError */
    async getSnapshot(id: string, options: CallOptions = {}): Promise<Snapshot> {
        return snapshotFromWire(await this.session.call('snapshot/get', { snapshotId: id }, options))
    }

    /** @throws SnapshotNotFoundError, also the second time. */
    async deleteSnapshot(id: string, options: CallOptions = {}): Promise<void> {
        await this.session.call('snapshot/delete', { snapshotId: id }, options)
    }

    /** The files that differ between two snapshots. */
    async diffSnapshots(from: string, to: string, options: CallOptions = {}): Promise<FileChange[]> {
        return (await this.session.call<{ changes: FileChange[] }>('snapshot/diff', { from, to }, options)).changes
    }

    /** The names that `create` takes as `networkProfile`. */
    async networkProfiles(): Promise<NetworkProfile[]> {
        return networkProfiles()
    }

    /** The sandboxes that exist, with what they have used so far. */
    async usage(options: CallOptions = {}): Promise<UsageRecord[]> {
        const infos = await this.listInfos({}, options)
        const records = await Promise.all(infos.map((info) => this.usageRecord(info, options)))
        return records.filter((record): record is UsageRecord => record !== undefined)
    }

    /** The sandboxes that this client has destroyed, the latest first, at most 1000. */
    async history(): Promise<UsageRecord[]> {
        return this.log.entries()
    }

    /** Any method of the protocol, for what has no member here. */
    async request<Result = unknown>(method: string, params: Readonly<Record<string, unknown>> = {},
                                    options: CallOptions = {}): Promise<Result> {
        return this.session.call<Result>(method, params, options)
    }

    /** Closes the client at the end of an `await using` scope. */
    async [asyncDispose](): Promise<void> {
        await this.close()
    }

    private attach(info: SandboxInfo): Sandbox {
        return Sandbox.attach({ session: this.session, log: this.log }, info)
    }

    private async makeSandbox(method: string, params: Record<string, unknown>, options: CallOptions): Promise<Sandbox> {
        const context = { session: this.session, log: this.log }
        const info = await this.session.call<SandboxInfo>(method, params, options,
            (late) => Sandbox.discard(context, [late]))
        return Sandbox.attach(context, info)
    }

    private async listInfos(filter: { labels?: Labels }, options: CallOptions): Promise<SandboxInfo[]> {
        const { sandboxes } =
            await this.session.call<{ sandboxes: SandboxInfo[] }>('sandbox/list', { ...filter }, options)
        return sandboxes.filter((info) => info.status !== 'destroyed')
    }

    /** Undefined when the sandbox has gone since it was listed. */
    private async usageRecord(info: SandboxInfo, options: CallOptions): Promise<UsageRecord | undefined> {
        try {
            const stats = await unlessGone(
                this.session.call<SandboxStats>('sandbox/stats', { sandboxId: info.id }, options))
            return stats === undefined ? undefined : usageOf(info, stats)
        } catch (error) {
            if (error instanceof WrongStateError) return usageOf(info, undefined) // Not running: nothing is measured.
            throw error
        }
    }
}

/** Undefined when the answer is that the sandbox does not exist, or does no more. */
async function unlessGone<Result>(answer: Promise<Result>): Promise<Result | undefined> {
    try {
        return await answer
    } catch (error) {
        if (error instanceof SandboxNotFoundError || error instanceof SandboxDestroyedError) return undefined
        throw error
    }
}
