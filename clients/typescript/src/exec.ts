import { withCallbacks } from './callbacks'
import type { EngineSession } from './engine-session'
import { invalidParams } from './errors/invalid-params'
import type { CallOptions, Command, ExecOptions, ExecResult, ExecStreamOptions } from './types'

const DEFAULT_TIMEOUT_SEC = 600

/** Runs a command and returns its result; a non-zero exit code is a result. */
export function exec(session: EngineSession, sandboxId: string, command: Command, execOptions: ExecOptions,
                     options: CallOptions): Promise<ExecResult> {
    return session.call('sandbox/exec', execParams(sandboxId, command, execOptions), options)
}

/** Runs a command and passes its output on. A callback that throws ends the command, and the call with its error. */
export async function execStream(session: EngineSession, sandboxId: string, command: Command,
                                 streamOptions: ExecStreamOptions, options: CallOptions): Promise<ExecResult> {
    const { onStdout, onStderr, ...execOptions } = streamOptions
    return withCallbacks(options, async (guard, guarded) => {
        const output = session.subscribeOutput(({ stream, data }) => {
            guard(() => (stream === 'stdout' ? onStdout : onStderr)?.(data))
        })
        try {
            const params = { ...execParams(sandboxId, command, execOptions), outputToken: output.token }
            return await session.call<ExecResult>('sandbox/exec', params, guarded)
        } finally {
            output.end()
        }
    })
}

function execParams(sandboxId: string, command: Command, execOptions: ExecOptions): Record<string, unknown> {
    const { timeoutSec = DEFAULT_TIMEOUT_SEC, ...rest } = execOptions
    if (!(timeoutSec >= 0)) {
        throw invalidParams(`timeoutSec: expected a number of seconds, 0 for no limit, got ${String(timeoutSec)}.`)
    }
    const limited = timeoutSec > 0 && Number.isFinite(timeoutSec)
    return { ...rest, sandboxId, command, ...(limited ? { timeoutMs: Math.ceil(timeoutSec * 1000) } : {}) }
}
