import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { EngineNotFoundError } from '../errors'
import type { EngineExit } from '../errors'
import type { EngineCommand } from './find-engine'
import { FrameDecoder, FramingError } from './framing'
import { Outbox } from './outbox'
import { StderrTail } from './stderr-tail'

/** How long pipes may stay open after the exit; longer means that a stray process has inherited them. */
const PIPE_LINGER_MS = 1000

export interface EngineProcessListener {
    /** One message's body. */
    onBody(body: Buffer): void
    /** Standard output is not the protocol; no body follows. */
    onViolation(violation: string): void
    /** The last call: the process has ended and all that it printed has been delivered. */
    onExit(exit: EngineExit): void
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The engine as a child process that speaks in frames.
 *
 * It does not keep this Node process alive but while somebody holds it: a program whose work is done may end
 * without closing its client, and the engine ends at the end of its standard input.
 */
export class EngineProcess {
    readonly outbox: Outbox
    private holds = 0

    /** @throws EngineNotFoundError when the program cannot be started. */
    static async start(command: EngineCommand, environment: Environment): Promise<EngineProcess> {
        try {
            return new EngineProcess(await spawned(command, environment))
        } catch (error) {
            const reason = error instanceof Error ? error.message : String(error)
            throw new EngineNotFoundError(`${command.program} could not be started: ${reason}.`, error)
        }
    }

    private constructor(private readonly child: ChildProcess) {
        this.outbox = new Outbox(child.stdin)
        // A write to a dead engine fails here first; the exit, which follows, is what is reported.
        child.stdin.on('error', () => undefined)
        // Only a kill that came too late can fail after the start.
        child.on('error', () => undefined)
        this.setReferenced(false)
    }

    /** Starts reading. To be called once, at once after the start, so that no event is missed. */
    listen(listener: EngineProcessListener): void {
        readFrames(this.child, listener)
        watchEnd(this.child, listener)
    }

    /** Keeps the Node process alive until the returned function is called. */
    hold(): () => void {
        let held = true
        if (++this.holds === 1) this.setReferenced(true)
        return () => {
            if (!held) return
            held = false
            if (--this.holds === 0) this.setReferenced(false)
        }
    }

    /** Ends standard input, which the engine takes as the request to clean up and exit. */
    endInput(): void {
        this.child.stdin.end()
    }

    /** Ends the engine at once; its kernel namespaces take the sandboxes with them. */
    kill(): void {
        this.child.kill('SIGKILL')
    }

    private setReferenced(referenced: boolean): void {
        for (const handle of [this.child, this.child.stdin, this.child.stdout, this.child.stderr]) {
            if (referenced) handle.ref()
            else handle.unref()
        }
    }
}

function spawned(command: EngineCommand, environment: Environment): Promise<ChildProcess> {
    return new Promise((resolve, reject) => {
        // Its own session, so that Ctrl-C reaches only this process, which may want to clean up before it ends.
        const child = spawn(command.program, command.args, {
            env: environment, stdio: ['pipe', 'pipe', 'pipe'], detached: true,
        })
        child.on('spawn', () => resolve(child))
        child.on('error', reject)
    })
}

function readFrames(child: ChildProcess, listener: EngineProcessListener): void {
    const decoder = new FrameDecoder()
    let broken = false
    child.stdout.on('data', (chunk) => {
        if (broken) return
        try {
            for (const body of decoder.decode(chunk)) listener.onBody(body)
        } catch (error) {
            if (!(error instanceof FramingError)) throw error
            broken = true
            listener.onViolation(error.message)
        }
    })
}

function watchEnd(child: ChildProcess, listener: EngineProcessListener): void {
    const stderr = new StderrTail()
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (chunk) => stderr.append(chunk))
    let linger: Timer | undefined
    child.on('exit', () => {
        linger = setTimeout(() => {
            child.stdout.destroy()
            child.stderr.destroy()
        }, PIPE_LINGER_MS)
    })
    child.on('close', (exitCode, signal) => {
        clearTimeout(linger)
        listener.onExit({ exitCode, signal, stderr: stderr.toString() })
    })
}
