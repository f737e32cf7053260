// Compiled, never run: a program like those written for the hosted service, as an ES module, without Node's types.
import { AbortError, Isorun, IsorunError, Sandbox, SnapshotNotFoundError, WrongStateError } from 'isorun'
import type { ExecResult, Snapshot } from 'isorun'

export async function hosted(signal: AbortSignalOfAnotherPlatform): Promise<string> {
    const isorun = new Isorun({ apiKey: 'unused', apiUrl: 'https://example.invalid' })
    const sandbox: Sandbox = await isorun.create({ image: 'python:3.12-slim', vcpus: 2 }, { signal, timeoutMs: 1000 })
    const result: ExecResult = await sandbox.exec('true', 5, { signal })
    const snapshot: Snapshot = await sandbox.snapshot()
    const [child] = await sandbox.fork()
    await sandbox.execStream('ls', { timeoutSec: 1, onStdout: (data: string) => data.length })
    await child?.destroy()
    const { status, cpuMs, costCents } = await sandbox.destroy()
    const again = await isorun.get(sandbox.id)
    const address: string = (again ?? sandbox).url(8080)
    return [result.stdout, snapshot.id, status, cpuMs, costCents, address].join()
}

export function explain(error: unknown): string {
    if (error instanceof AbortError) return error.kind
    if (error instanceof WrongStateError) return error.data.allowed.join()
    if (error instanceof SnapshotNotFoundError) return error.kind
    if (error instanceof IsorunError) return `${error.status} ${error.message}`
    return 'no error of ours'
}

/** Both names for it resolve to the method that `await using` calls. */
export const dispose: (sandbox: Sandbox) => Promise<void> = (sandbox) => sandbox[Symbol.asyncDispose]()

// @ts-expect-error: a misspelt option is found by the compiler.
void new Isorun().create({ memMib: 64 })
// @ts-expect-error: sandboxes come from a client.
void new Sandbox()

interface AbortSignalOfAnotherPlatform {
    readonly aborted: boolean
    readonly reason: unknown
    addEventListener(type: 'abort', listener: (event: object) => void, options?: { once?: boolean }): void
    removeEventListener(type: 'abort', listener: (event: object) => void): void
}
