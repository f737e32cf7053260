/** What this package needs of an `AbortSignal`; the global one of every platform fits. */
export interface AbortSignalLike {
    readonly aborted: boolean
    readonly reason?: unknown
    addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
    removeEventListener(type: 'abort', listener: () => void): void
}

/** Options of a single call, always its last argument. */
export interface CallOptions {
    /** Aborting it cancels the request in the engine and rejects the call with an `AbortError`. */
    signal?: AbortSignalLike
    /** How long to wait for the answer before the request is cancelled with a `RequestTimeoutError`. */
    timeoutMs?: number
}

export interface IsorunOptions {
    /** The engine's program (a path, or a name looked up in `PATH`) or its whole command line. */
    engine?: string | readonly string[]
    /** The folder that keeps images and snapshots; the engine's own default when left out. */
    store?: string
    /** Limits of all sandboxes together; what the machine cannot hold is refused. */
    limits?: EngineLimits
    /** Variables for the engine's process, on top of this process's; `undefined` removes one. */
    env?: Readonly<Record<string, string | undefined>>
    /** Accepted so that programs for the hosted service run unchanged; not used. */
    apiKey?: string
    /** Accepted so that programs for the hosted service run unchanged; not used. */
    apiUrl?: string
}

export interface EngineLimits {
    vcpus?: number
    memMiB?: number
    pidsMax?: number
    /** Sandboxes that run at once. */
    sandboxesMax?: number
    /** Commands under way at once. */
    execsMax?: number
    /** Output of commands that waits in memory for their end; default 1024. */
    outputMiB?: number
}

export type Labels = Readonly<Record<string, string>>
export type SandboxStatus = 'creating' | 'running' | 'hibernated' | 'destroyed' | 'error'
export type NetworkMode = 'nat' | 'none'

/** A host folder brought into a sandbox. */
export interface Mount {
    /** Absolute path on the host. */
    source: string
    /** Absolute path in the sandbox. */
    target: string
    mode: 'copy' | 'ro' | 'rw'
    /** What a copy leaves out: each as a line of a `.gitignore`. */
    exclude?: readonly string[]
}

export interface NetworkOptions {
    /** `nat` for outbound connections, or `none` for loopback only. Default: `nat` where rules are given or it can be had. */
    mode?: NetworkMode
    /**
     * A connection is permitted if one of these rules matches it, or there is none, and no rule of `deny` does. Each is
     * `HOST`, `HOST:PORT` or `HOST:FIRST-LAST`; HOST is an IPv4 address, a network as `10.0.0.0/8`, a name, `*.name`, or `*`.
     */
    allow?: readonly string[]
    deny?: readonly string[]
}

export interface CreateOptions {
    /** Default: `host`, the machine's own system files under a private writable layer. */
    image?: string
    name?: string
    labels?: Labels
    env?: Readonly<Record<string, string>>
    /** Working directory of commands; default `/`. */
    cwd?: string
    /** Default `root`. */
    user?: string
    hostname?: string
    /** Default 1. */
    vcpus?: number
    /** Default 1024. */
    memMiB?: number
    /** Default 4096. */
    diskMiB?: number
    /** Default 1024. */
    pidsMax?: number
    /** Commands under way at once; default 1024. */
    execsMax?: number
    /** Seconds without a request after which `onTimeout` happens; 0, the default, is never. */
    timeoutSec?: number
    /** Default `destroy`, as on the hosted service. */
    onTimeout?: 'hibernate' | 'destroy'
    network?: NetworkOptions
    /** `unrestricted` or `locked-down`; excludes `network`. */
    networkProfile?: string
    mounts?: readonly Mount[]
    /** Offered by the hosted service only; refused. */
    credentials?: unknown
}

/** What a restored sandbox or a fork's child has different from its origin. */
export interface SandboxOverrides {
    name?: string
    labels?: Labels
    env?: Readonly<Record<string, string>>
    vcpus?: number
    memMiB?: number
    network?: NetworkOptions
    timeoutSec?: number
}

/** What became of the running processes in a snapshot, a restore or a fork. */
export interface RuntimeReport {
    /** Number of processes whose memory was kept. */
    kept: number
    dropped: { pid: number; command: string; reason: string }[]
    reset: { pid: number; command: string; what: string }[]
}

export interface SandboxInfo {
    id: string
    name?: string
    labels: Record<string, string>
    status: SandboxStatus
    image: string
    env: Record<string, string>
    cwd: string
    user: string
    hostname: string
    vcpus: number
    memMiB: number
    diskMiB: number
    pidsMax: number
    execsMax: number
    /** What the sandbox got; `reason` says why it is `none` where nothing was asked for. */
    network: { mode: NetworkMode; reason?: string; allow?: string[]; deny?: string[] }
    /** How long the creation took, in milliseconds. */
    createMs: number
    /** RFC 3339. */
    createdAt: string
    parent?: { kind: 'sandbox' | 'snapshot'; id: string }
    /** The folders of the host that are mounted; `source` is without symlinks. */
    mounts?: { source: string; target: string; mode: 'ro' | 'rw' }[]
    timeoutSec: number
    runtime?: RuntimeReport
}

export interface Snapshot {
    id: string
    /** The sandbox it was taken of, under the hosted service's name for it. */
    runId: string
    sandboxId: string
    name?: string
    labels: Record<string, string>
    parentSnapshotId?: string
    image: string
    /** RFC 3339. */
    createdAt: string
    /** Files: the snapshot's own layer. */
    sizeBytes: number
    /** Runtime state. */
    memoryBytes: number
    /** How long the sandbox stood still. */
    pauseMs: number
    runtime: RuntimeReport
}

/** Whether running processes go into a snapshot: if possible, or else fail, or never. */
export type RuntimeMode = 'auto' | 'require' | 'none'

export interface SnapshotOptions {
    name?: string
    labels?: Labels
    runtime?: RuntimeMode
    /** Wait until the snapshot is on the disk, so that it outlives a power cut. */
    durable?: boolean
}

/** Whether the processes of what is brought back come back: if possible, or else fail, or never. */
export interface ReviveOptions {
    runtime?: RuntimeMode
}

export interface RestoreOptions extends SandboxOverrides, ReviveOptions {}

export interface FileStat extends DirectoryEntry {
    uid: number
    gid: number
}

export interface ForkOptions {
    /** One entry for each child, in their order. */
    children?: readonly SandboxOverrides[]
    runtime?: RuntimeMode
}

/** One child of a race: its command, and what differs in it from the sandbox. */
export interface RaceChild extends SandboxOverrides {
    command: Command
    cwd?: string
    user?: string
    /** After this the command is killed and has failed. */
    timeoutMs?: number
}

export interface RaceOptions {
    /** When a command has succeeded; so far only exit code 0 counts. */
    success?: 'exit0'
    /** Put the winner's files and processes in the place of the sandbox's own. */
    adopt?: boolean
    runtime?: RuntimeMode
    /** Of each output stream of each child; default 64 KiB. */
    maxOutputBytes?: number
}

/** What became of one child of a race. */
export interface RaceEntry {
    outcome: 'won' | 'failed' | 'lost'
    /** Gone, unless it won and was not adopted. */
    sandboxId: string
    /** Undefined for a command that was killed because it lost, or did not start. */
    exitCode?: number
    signal?: string
    stdout: string
    stderr: string
    durationMs: number
    timedOut: boolean
    /** Why there is no exit code. */
    reason?: string
}

/** A line for `/bin/sh -c`, or a program and its arguments. */
export type Command = string | readonly string[]

export interface ExecOptions {
    /** Seconds until the command and all that it started are killed; default 600, 0 is never. */
    timeoutSec?: number
    cwd?: string
    env?: Readonly<Record<string, string>>
    user?: string
    /** Standard input; empty when left out. */
    stdin?: string
    /** How much output is kept; default 8 MiB. */
    maxOutputBytes?: number
    /** `base64` is exact; `utf8`, the default, replaces what is not UTF-8. */
    encoding?: 'utf8' | 'base64'
}

export interface ExecStreamOptions extends ExecOptions {
    onStdout?: (data: string) => void
    onStderr?: (data: string) => void
}

export interface ExecResult {
    /** 128 + n after signal n, 124 after a timeout. */
    exitCode: number
    stdout: string
    stderr: string
    /** For example `SIGKILL`. */
    signal?: string
    durationMs: number
    timedOut: boolean
    /** Whether output beyond `maxOutputBytes` was dropped. */
    truncated: boolean
    /**
     * The limits that the sandbox ran into meanwhile, left out for none: a process was killed for want of `memory`,
     * none could be made (`pids`), nothing more can be written (`disk`).
     */
    limits?: ('memory' | 'pids' | 'disk')[]
}

export interface WriteFileOptions {
    /** Permission bits, for example 0o755. */
    mode?: number
    append?: boolean
    createParents?: boolean
}

export interface DirectoryEntry {
    name: string
    type: string
    size: number
    mode: number
    mtimeMs: number
    /** Where a symbolic link points. */
    target?: string
}

export interface DestroyResult {
    status: 'destroyed'
    cpuMs: number
    memPeakBytes: number
    uptimeMs: number
    /** Always 0: the machine is yours. */
    costCents: 0
}

export interface SandboxStats {
    cpuMs: number
    memBytes: number
    memPeakBytes: number
    pids: number
    diskBytes: number
}

export interface FileChange {
    path: string
    kind: 'added' | 'modified' | 'deleted' | 'type'
    type: string
    size: number
    /** With `text`: what `diff -u` says. */
    diff?: string
    /** With `text`: why there is no diff. */
    diffOmitted?: 'binary' | 'tooLarge'
}

export interface DiffOptions {
    /** A snapshot to compare with. */
    against?: string
    /** Only what is there and below; in a copied folder compared with what was copied. */
    path?: string
    /** Add unified diffs of text files. */
    text?: boolean
}

export interface CommitOptions {
    /** Relative to the folder; everything if left out. */
    paths?: readonly string[]
    /** Only tell what would be done. */
    dryRun?: boolean
}

export interface CommitResult {
    /** What was changed on the host, or would be. */
    changes: FileChange[]
    /** Of a dry run: what the commit would be refused for. */
    conflicts: { path: string; reason: 'addedOnHost' | 'changedOnHost' | 'deletedOnHost' }[]
    /** What cannot be brought to the host. */
    skipped: { path: string; reason: string }[]
}

/** What a snapshot taken now would keep of one process. */
export interface ProcessVerdict {
    pid: number
    command: string
    verdict: 'kept' | 'lost'
    reason?: string
    resets: unknown[]
}

/** A port of a sandbox that is reached on the host. */
export interface ForwardedPort {
    /** In the sandbox. */
    port: number
    hostAddress: string
    hostPort: number
}

/** How far a long request has come. */
export interface Progress {
    /** What is being done, as `downloading`, `unpacking`, `packing`. */
    message?: string
    percentage?: number
    completedBytes?: number
    totalBytes?: number
}

export interface ProgressOptions {
    /** Called some times a second. What it throws cancels the call. */
    onProgress?: (progress: Progress) => void
}

export interface ExportImageOptions extends ProgressOptions {
    /** Of the layers; default `gzip`, which every tool reads. */
    compression?: 'gzip' | 'zstd' | 'none'
}

/** An image of the store, or `host`. */
export interface ImageInfo {
    /** What it is called. */
    ref: string
    digest: string
    /** What its layers take on disk. */
    sizeBytes: number
    layers: number
    /** RFC 3339. */
    createdAt: string
    /** What it asks for: the defaults of sandboxes made from it. `entrypoint` and `cmd` are not run by themselves. */
    config: { env: Record<string, string>; cwd: string; user: string; entrypoint?: string[]; cmd?: string[] }
}

export interface ExportedImage {
    ref: string
    path: string
    /** Of the manifest: what other tools know the image by. */
    digest: string
    sizeBytes: number
}

export interface TerminalSize {
    cols: number
    rows: number
}

export interface StartProcessOptions {
    cwd?: string
    env?: Readonly<Record<string, string>>
    user?: string
    /** Whether `write` may be used; else standard input is empty. */
    stdin?: boolean
    /** A terminal of this size instead of pipes; it can be written to, and everything comes as stdout. */
    pty?: TerminalSize
    /** A name for people. */
    name?: string
}

export interface AttachOptions {
    /** From which byte of the output on; default 0, the beginning. */
    cursor?: number
    /** `cursor` tells where the data ends: attaching there continues without loss. */
    onStdout?: (data: string, cursor: number) => void
    onStderr?: (data: string, cursor: number) => void
    /** Nothing more comes of this stream: it was closed, or cut off by the end of the sandbox or a rollback. */
    onEnd?: (stream: 'stdout' | 'stderr', reason: 'eof' | 'interrupted') => void
}

export interface WaitOptions {
    timeoutMs?: number
}

export interface ProcessInfo {
    id: string
    /** Inside the sandbox. */
    pid: number
    command: Command
    name?: string
    /** RFC 3339. */
    startedAt: string
    status: 'running' | 'exited'
    /** Of one that has exited: 128 + n after signal n. Undefined when nobody told how it ended. */
    exitCode?: number
    /** For example `SIGKILL`. */
    signal?: string
    pty?: TerminalSize
    /** Bytes of output so far. */
    outputCursor: number
}

export interface NetworkProfile {
    name: string
    description?: string
    allow: string[]
    deny: string[]
}

/** A sandbox in `usage()` or `history()`. */
export interface UsageRecord {
    id: string
    image: string
    status: SandboxStatus
    vcpus: number
    memMiB: number
    diskMiB: number
    /** RFC 3339. */
    createdAt: string
    /** RFC 3339; only of a destroyed sandbox. */
    destroyedAt?: string
    uptimeMs: number
    /** Absent when the engine does not measure the sandbox in its present state. */
    cpuMs?: number
    /** Absent when the engine does not measure the sandbox in its present state. */
    memPeakBytes?: number
    /** Always 0: the machine is yours. */
    costCents: 0
}

/** What the engine said of itself when it started. */
export interface EngineDescription {
    serverInfo: { name: string; version: string }
    protocolVersion: string
    capabilities: {
        runtimeState: { supported: boolean; reason?: string }
        network: string[]
        limits: Record<string, string>
        images: string[]
        maxForkCount: number
    }
    host: {
        kernel: string
        arch: string
        rootless: boolean
        subordinateIds: unknown
        store: string
        storeFilesystem: string
        reflink: boolean
    }
}
