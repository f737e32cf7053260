import { asyncDispose } from './async-dispose'
import { createParams, networkProfiles } from './create-params'
import { EngineSession } from './engine-session'
import { SandboxDestroyedError, SandboxNotFoundError, WrongStateError } from './errors'
import { discardImage, requestWithProgress } from './images'
import { Sandbox } from './sandbox'
import { SandboxLog, usageOf } from './sandbox-log'
import { discardSnapshot, snapshotFromWire } from './snapshots'
import type { WireSnapshot } from './snapshots'
import type {
    CallOptions, CreateOptions, EngineDescription, ExportedImage, ExportImageOptions, FileChange, ImageInfo, IsorunOptions,
    Labels, NetworkProfile, ProgressOptions, RestoreOptions, SandboxInfo, SandboxStats, Snapshot, UsageRecord,
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
    async restore(snapshotId: string, overrides: RestoreOptions = {}, options: CallOptions = {}): Promise<Sandbox> {
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

    /** Writes a snapshot, with all that is needed to restore it on another machine, into a new file. */
    async exportSnapshot(id: string, path: string, options: CallOptions = {}): Promise<{ path: string; sizeBytes: number }> {
        return this.session.call('snapshot/export', { snapshotId: id, path }, options)
    }

    /** Brings an exported snapshot in. It keeps its id unless that is taken. */
    async importSnapshot(path: string, options: CallOptions = {}): Promise<Snapshot> {
        return snapshotFromWire(await this.session.call<WireSnapshot>('snapshot/import', { path }, options,
            (late) => discardSnapshot(this.session, late)))
    }

    /** The files that differ between two snapshots. */
    async diffSnapshots(from: string, to: string, options: CallOptions = {}): Promise<FileChange[]> {
        return (await this.session.call<{ changes: FileChange[] }>('snapshot/diff', { from, to }, options)).changes
    }

    /** The images of the store, and `host`. */
    async listImages(options: CallOptions = {}): Promise<ImageInfo[]> {
        return (await this.session.call<{ images: ImageInfo[] }>('image/list', {}, options)).images
    }

    /** @throws ImageNotFoundError */
    async getImage(ref: string, options: CallOptions = {}): Promise<ImageInfo> {
        return this.session.call('image/get', { ref }, options)
    }

    /**
     * Brings in an OCI image layout (a folder or an archive), what `docker save` writes, or the archive of a root filesystem.
     * @throws ImageInvalidError, naming what is refused
     */
    async importImage(path: string, ref: string, importOptions: ProgressOptions = {},
                      options: CallOptions = {}): Promise<ImageInfo> {
        return this.makeImage('image/import', { path, ref }, importOptions, options)
    }

    /**
     * Copies an image from its registry, with the user's own credentials.
     * @throws PullFailedError, with the registry's reason
     */
    async pullImage(ref: string, pullOptions: ProgressOptions = {}, options: CallOptions = {}): Promise<ImageInfo> {
        return this.makeImage('image/pull', { ref }, pullOptions, options)
    }

    /** @throws ImageInUseError while a sandbox or snapshot stands on it; ImageNotFoundError, also the second time */
    async removeImage(ref: string, options: CallOptions = {}): Promise<void> {
        await this.session.call('image/remove', { ref }, options)
    }

    /** Makes the files of a snapshot an image. The snapshot must stand on an image of the store, not on `host`. */
    async commitImage(snapshotId: string, ref: string, options: CallOptions = {}): Promise<ImageInfo> {
        return this.makeImage('image/commit', { snapshotId, ref }, {}, options)
    }

    /** Writes an image as an OCI image layout: one archive when the path ends in `.tar`, else a folder. */
    async exportImage(ref: string, path: string, exportOptions: ExportImageOptions = {},
                      options: CallOptions = {}): Promise<ExportedImage> {
        const { onProgress, ...params } = exportOptions
        return requestWithProgress(
            this.session, 'image/export', { ...params, ref, path }, { onProgress }, options)
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

    private makeImage(method: string, params: Record<string, unknown>, progressOptions: ProgressOptions,
                      options: CallOptions): Promise<ImageInfo> {
        return requestWithProgress<ImageInfo>(this.session, method, params, progressOptions, options,
            (late) => discardImage(this.session, late))
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
