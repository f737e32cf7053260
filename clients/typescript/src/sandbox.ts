import { asyncDispose } from './async-dispose'
import type { EngineSession } from './engine-session'
import { NotSupportedError, SandboxDestroyedError, SandboxNotFoundError } from './errors'
import { exec, execStream } from './exec'
import { readWholeFile, writeWholeFile } from './files'
import type { SandboxLog } from './sandbox-log'
import { SandboxProcess } from './sandbox-process'
import { discardSnapshot, snapshotFromWire } from './snapshots'
import type { WireSnapshot } from './snapshots'
import type {
    CallOptions, Command, CommitOptions, CommitResult, DestroyResult, DiffOptions, DirectoryEntry,
    ExecOptions, ExecResult, ExecStreamOptions, FileChange, FileStat, ForkOptions, ForwardedPort, Labels,
    ProcessInfo, ProcessVerdict, RaceChild, RaceEntry, RaceOptions, ReviveOptions, SandboxInfo, SandboxStats,
    Snapshot, SnapshotOptions, StartProcessOptions, WriteFileOptions,
} from './types'

const MAX_PORT = 65535

interface WireRace {
    winner?: number
    sandbox?: SandboxInfo
    results: RaceEntry[]
}

/** What a race came to. */
export interface RaceResult {
    /** The winner's place among the children; undefined when none succeeded. */
    winner?: number
    /** The winner or, with `adopt`, the sandbox itself. */
    sandbox?: Sandbox
    /** One for each child, in their order. */
    results: RaceEntry[]
}

/** @internal What a sandbox needs of the client that it came from. */
export interface SandboxContext {
    readonly session: EngineSession
    readonly log: SandboxLog
}

/** A handle on one sandbox of the engine. Any number of handles may refer to the same sandbox. */
export class Sandbox {
    readonly id: string
    /** How long the creation took, in milliseconds. */
    readonly createMs: number
    readonly image: string
    readonly vcpus: number
    readonly memMiB: number
    readonly diskMiB: number
    readonly name: string | undefined
    readonly labels: Labels
    /** Those that this handle has made, by their ports in the sandbox. */
    private readonly forwarded = new Map<number, ForwardedPort>()

    private constructor(private readonly context: SandboxContext, private readonly created: SandboxInfo) {
        this.id = created.id
        this.createMs = created.createMs
        this.image = created.image
        this.vcpus = created.vcpus
        this.memMiB = created.memMiB
        this.diskMiB = created.diskMiB
        this.name = created.name
        this.labels = created.labels
    }

    /** @internal */
    static attach(context: SandboxContext, info: SandboxInfo): Sandbox {
        return new Sandbox(context, info)
    }

    /** @internal The result of a cancelled request that made sandboxes all the same; nobody holds them. */
    static discard(context: SandboxContext, infos: readonly SandboxInfo[]): void {
        for (const { id } of infos) {
            context.session.call('sandbox/destroy', { sandboxId: id })
                .catch((error: Error) => process.emitWarning(`isorun: sandbox ${id} is left over: ${error.message}`))
        }
    }

    /** Runs a command and waits for it. A non-zero exit code is a result, not an exception. */
    async exec(command: Command, timeoutSecOrOptions: number | ExecOptions = {},
               options: CallOptions = {}): Promise<ExecResult> {
        const execOptions =
            typeof timeoutSecOrOptions === 'number' ? { timeoutSec: timeoutSecOrOptions } : timeoutSecOrOptions
        return exec(this.context.session, this.id, command, execOptions, options)
    }

    /** As `exec`, and passes the output on while it is printed. */
    async execStream(command: Command, streamOptions: ExecStreamOptions = {},
                     options: CallOptions = {}): Promise<ExecResult> {
        return execStream(this.context.session, this.id, command, streamOptions, options)
    }

    /** Starts a process that lives on: in snapshots, restores, forks and hibernation too. */
    async startProcess(command: Command, startOptions: StartProcessOptions = {},
                       options: CallOptions = {}): Promise<SandboxProcess> {
        return SandboxProcess.start(this.context.session, this.id, command, startOptions, options)
    }

    /** The processes that were started and those that commands have left behind, oldest first. */
    async listProcesses(options: CallOptions = {}): Promise<ProcessInfo[]> {
        return (await this.call<{ processes: ProcessInfo[] }>('process/list', {}, options)).processes
    }

    /**
     * A handle on a process, as in a restored or forked sandbox, where it has the id that it had before.
     * @throws ProcessNotFoundError
     */
    async getProcess(id: string, options: CallOptions = {}): Promise<SandboxProcess> {
        const info = await this.call<ProcessInfo>('process/get', { processId: id }, options)
        return SandboxProcess.handle(this.context.session, this.id, info)
    }

    /** Writes a file atomically. `path` is absolute, inside the sandbox. */
    async writeFile(path: string, content: string | Uint8Array, writeOptions: WriteFileOptions = {},
                    options: CallOptions = {}): Promise<void> {
        await writeWholeFile(this.context.session, this.id, path, content, writeOptions, options)
    }

    /** Reads a file as UTF-8. */
    async readFile(path: string, options: CallOptions = {}): Promise<string> {
        const bytes = await this.readFileBytes(path, options)
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    }

    /** Reads a file exactly. */
    async readFileBytes(path: string, options: CallOptions = {}): Promise<Uint8Array> {
        return readWholeFile(this.context.session, this.id, path, options)
    }

    async readdir(path: string, options: CallOptions = {}): Promise<DirectoryEntry[]> {
        return (await this.call<{ entries: DirectoryEntry[] }>('fs/list', { path }, options)).entries
    }

    /** What is at a path; a symbolic link is not followed. */
    async stat(path: string, options: CallOptions = {}): Promise<FileStat> {
        return this.call('fs/stat', { path }, options)
    }

    async mkdir(path: string, { parents = false }: { parents?: boolean } = {}, options: CallOptions = {}): Promise<void> {
        await this.call('fs/mkdir', { path, parents }, options)
    }

    /** Removes a file, or an empty folder, or with `recursive` a folder and all in it. */
    async remove(path: string, { recursive = false }: { recursive?: boolean } = {},
                 options: CallOptions = {}): Promise<void> {
        await this.call('fs/remove', { path, recursive }, options)
    }

    async move(from: string, to: string, options: CallOptions = {}): Promise<void> {
        await this.call('fs/move', { from, to }, options)
    }

    /** Copies a file or folder of the host into the sandbox, of any size. */
    async copyIn(hostPath: string, path: string, options: CallOptions = {}): Promise<void> {
        await this.call('fs/copyIn', { source: hostPath, path }, options)
    }

    /** Copies a file or folder of the sandbox to the host, of any size. */
    async copyOut(path: string, hostPath: string, options: CallOptions = {}): Promise<void> {
        await this.call('fs/copyOut', { path, destination: hostPath }, options)
    }

    async info(options: CallOptions = {}): Promise<SandboxInfo> {
        return this.call('sandbox/get', {}, options)
    }

    async stats(options: CallOptions = {}): Promise<SandboxStats> {
        return this.call('sandbox/stats', {}, options)
    }

    /** Keeps the sandbox as it is now; the sandbox runs on. */
    async snapshot(snapshotOptions: SnapshotOptions = {}, options: CallOptions = {}): Promise<Snapshot> {
        return snapshotFromWire(await this.call<WireSnapshot>('sandbox/snapshot', { ...snapshotOptions }, options,
            (late) => discardSnapshot(this.context.session, late)))
    }

    /** What a snapshot taken now would keep of the running processes, and why not the rest. */
    async explain(options: CallOptions = {}): Promise<ProcessVerdict[]> {
        return (await this.call<{ processes: ProcessVerdict[] }>('sandbox/explain', {}, options)).processes
    }

    /** The files that differ from the image, from a snapshot, or below a copied host folder from what was copied. */
    async diff(diffOptions: DiffOptions = {}, options: CallOptions = {}): Promise<FileChange[]> {
        return (await this.call<{ changes: FileChange[] }>('sandbox/diff', { ...diffOptions }, options)).changes
    }

    /**
     * Applies what was changed in a copied folder to the host's own. Fails with a `CommitConflictError`, with nothing changed, when
     * the host's has changed in the same places since.
     */
    async commit(source: string, commitOptions: CommitOptions = {}, options: CallOptions = {}): Promise<CommitResult> {
        return this.call('sandbox/commit', { ...commitOptions, source }, options)
    }

    /** Takes this sandbox back to a snapshot of it or of one of its ancestors, under the same id. */
    async rollback(snapshotId: string, reviveOptions: ReviveOptions = {},
                   options: CallOptions = {}): Promise<SandboxInfo> {
        this.forwarded.clear()
        return this.call('sandbox/rollback', { ...reviveOptions, snapshotId }, options)
    }

    /** Makes `count` copies of the sandbox as it is now: all of them, or none and an error. */
    async fork(count = 1, forkOptions: ForkOptions = {}, options: CallOptions = {}): Promise<Sandbox[]> {
        const { sandboxes } = await this.call<{ sandboxes: SandboxInfo[] }>(
            'sandbox/fork', { ...forkOptions, count }, options,
            (late) => Sandbox.discard(this.context, late.sandboxes),
        )
        return sandboxes.map((info) => Sandbox.attach(this.context, info))
    }

    /**
     * Forks the sandbox, runs one command in each child, and keeps the one that succeeds first; the others are gone. Without
     * a success `sandbox` is undefined. With `adopt` this sandbox itself takes over what the winner has made.
     */
    async race(children: readonly RaceChild[], raceOptions: RaceOptions = {},
               options: CallOptions = {}): Promise<RaceResult> {
        const { sandbox, ...rest } = await this.call<WireRace>(
            'sandbox/race', { ...raceOptions, children }, options,
            (late) => {
                if (late.sandbox !== undefined && late.sandbox.id !== this.id) {
                    Sandbox.discard(this.context, [late.sandbox])
                }
            },
        )
        if (sandbox === undefined) return rest
        return { ...rest, sandbox: sandbox.id === this.id ? this : Sandbox.attach(this.context, sandbox) }
    }

    /** Takes the processes out of memory; the id stays valid. */
    async hibernate(options: CallOptions = {}): Promise<void> {
        this.forwarded.clear()
        await this.call('sandbox/hibernate', {}, options)
    }

    /** Brings the processes of a hibernated sandbox back. */
    async resume(reviveOptions: ReviveOptions = {}, options: CallOptions = {}): Promise<void> {
        await this.call('sandbox/resume', { ...reviveOptions }, options)
    }

    /** Sets after how many idle seconds the sandbox times out; 0 disables it. */
    async setTimeout(seconds: number, options: CallOptions = {}): Promise<void> {
        await this.call('sandbox/setTimeout', { timeoutSec: seconds }, options)
    }

    /**
     * Makes a TCP port of the sandbox reachable on the host's loopback address, until it is closed or the sandbox is rolled
     * back, hibernates or ends. What listens on the sandbox's own loopback address is reached. Again gives the same answer.
     */
    async forward(port: number, forwardOptions: { hostPort?: number } = {},
                  options: CallOptions = {}): Promise<ForwardedPort> {
        const forwarded = await this.call<ForwardedPort>('port/forward', { ...forwardOptions, port }, options)
        this.forwarded.set(port, forwarded)
        return forwarded
    }

    /** The ports that are forwarded now. */
    async ports(options: CallOptions = {}): Promise<ForwardedPort[]> {
        return (await this.call<{ ports: ForwardedPort[] }>('port/list', {}, options)).ports
    }

    /** Ends a forward and its connections. */
    async closePort(port: number, options: CallOptions = {}): Promise<void> {
        await this.call('port/close', { port }, options)
        this.forwarded.delete(port)
    }

    /**
     * The address, on the host, of a port that this handle has forwarded.
     * @throws RangeError outside of 1 to 65535; NotSupportedError for a port that was not forwarded before.
     */
    url(port: number, path = '/'): string {
        if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) {
            throw new RangeError(`port: expected an integer from 1 to ${MAX_PORT}, got ${String(port)}`)
        }
        const forwarded = this.forwarded.get(port)
        if (forwarded === undefined) {
            throw new NotSupportedError(`Port ${port} has no address yet: await sandbox.forward(${port}) first.`)
        }
        return `http://${forwarded.hostAddress}:${forwarded.hostPort}${path.startsWith('/') ? '' : '/'}${path}`
    }

    /** @throws SandboxDestroyedError (or SandboxNotFoundError, when the engine has forgotten it) the second time. */
    async destroy(options: CallOptions = {}): Promise<DestroyResult> {
        const answer = await this.call<Omit<DestroyResult, 'costCents'>>('sandbox/destroy', {}, options)
        const result: DestroyResult = { ...answer, costCents: 0 }
        this.context.log.add(this.created, result)
        return result
    }

    /** Destroys the sandbox at the end of an `await using` scope, unless that has been done already. */
    async [asyncDispose](): Promise<void> {
        try {
            await this.destroy()
        } catch (error) {
            if (!(error instanceof SandboxDestroyedError || error instanceof SandboxNotFoundError)) throw error
        }
    }

    private call<Result>(method: string, params: Record<string, unknown>, options: CallOptions,
                         undo?: (result: Result) => void): Promise<Result> {
        return this.context.session.call(method, { ...params, sandboxId: this.id }, options, undo)
    }
}
