import type { EngineSession, ProcessEvent, Subscription } from './engine-session'
import type {
    AttachOptions, CallOptions, Command, ProcessInfo, StartProcessOptions, TerminalSize, WaitOptions,
} from './types'

/**
 * A handle on a long-lived process of a sandbox: one that was started, or that a command has left behind. It is kept in
 * snapshots, restores, forks and hibernation, with the same `id` and `pid`.
 */
export class SandboxProcess {
    readonly id: string
    /** Inside the sandbox. */
    readonly pid: number
    readonly command: Command
    readonly name: string | undefined
    private subscription: Subscription | undefined

    private constructor(private readonly session: EngineSession, readonly sandboxId: string, info: ProcessInfo) {
        this.id = info.id
        this.pid = info.pid
        this.command = info.command
        this.name = info.name
    }

    /** @internal */
    static handle(session: EngineSession, sandboxId: string, info: ProcessInfo): SandboxProcess {
        return new SandboxProcess(session, sandboxId, info)
    }

    /** @internal */
    static async start(session: EngineSession, sandboxId: string, command: Command, startOptions: StartProcessOptions,
                       options: CallOptions): Promise<SandboxProcess> {
        const kill = ({ id }: ProcessInfo): void => {
            session.call('process/signal', { sandboxId, processId: id, signal: 'SIGKILL' })
                .catch((error: Error) => process.emitWarning(`isorun: process ${id} is left over: ${error.message}`))
        }
        const params = { ...startOptions, sandboxId, command }
        return new SandboxProcess(session, sandboxId, await session.call('process/start', params, options, kill))
    }

    async info(options: CallOptions = {}): Promise<ProcessInfo> {
        return this.call('process/get', {}, options)
    }

    /**
     * Passes on what the process has printed from `cursor` on, as far as it is kept (the last MiB), and then what it prints,
     * until `detach`. The handle that attaches last gets it. It does not keep the program alive, which `wait` does.
     * @returns where the output begins: later than `cursor` when older output is no longer kept.
     */
    async attach(attachOptions: AttachOptions = {}, options: CallOptions = {}): Promise<number> {
        const { cursor = 0 } = attachOptions
        this.subscription?.end()
        const subscription = this.session.subscribeProcess(this.sandboxId, this.id, (event) => pass(event, attachOptions))
        this.subscription = subscription
        try {
            return (await this.call<{ cursor: number }>('process/attach', { cursor }, options)).cursor
        } catch (error) {
            subscription.end()
            throw error
        }
    }

    /** Ends what `attach` has begun; the process goes on. */
    async detach(options: CallOptions = {}): Promise<void> {
        this.subscription?.end()
        await this.call('process/detach', {}, options)
    }

    /** Writes to the standard input of a process that was started with `stdin` or `pty`; waits while its pipe is full. */
    async write(data: string | Uint8Array, options: CallOptions = {}): Promise<void> {
        const params = typeof data === 'string' ? { data }
            : { data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'), encoding: 'base64' }
        await this.call('process/write', params, options)
    }

    async closeStdin(options: CallOptions = {}): Promise<void> {
        await this.call('process/closeStdin', {}, options)
    }

    async kill(signal = 'SIGTERM', options: CallOptions = {}): Promise<void> {
        await this.call('process/signal', { signal }, options)
    }

    /** Of a process with `pty`. */
    async resize(size: TerminalSize, options: CallOptions = {}): Promise<void> {
        await this.call('process/resize', { ...size }, options)
    }

    /** Waits for the end. With `timeoutMs` the process may still run afterwards, as `status` says. */
    async wait(waitOptions: WaitOptions = {}, options: CallOptions = {}): Promise<ProcessInfo> {
        return this.call('process/wait', { ...waitOptions }, options)
    }

    private call<Result>(method: string, params: Record<string, unknown>, options: CallOptions): Promise<Result> {
        return this.session.call(method, { ...params, sandboxId: this.sandboxId, processId: this.id }, options)
    }
}

/** Calls the caller's callback. Nobody waits for what it throws, so that ends the program as of any other event. */
function pass(event: ProcessEvent, { onStdout, onStderr, onEnd }: AttachOptions): void {
    try {
        if (event.kind === 'ended') onEnd?.(event.stream, event.reason)
        else (event.stream === 'stdout' ? onStdout : onStderr)?.(event.data, event.cursor)
    } catch (error) {
        process.nextTick(() => { throw error })
    }
}
