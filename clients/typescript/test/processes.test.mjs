// Long-lived processes: against the real engine, and what only a fake one does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError, ProcessNotFoundError } from 'isorun'
import { engineClient, withEngine } from './support/engine.mjs'
import { fakeClient, receivedParams } from './support/fake.mjs'

/** The output of a process as it comes, and a way to wait until it holds some text. */
class Output {
    text = ''
    cursor = 0
    #listeners = new Set()

    /** Callbacks for `attach`. */
    get callbacks() {
        const take = (data, cursor) => {
            this.text += data
            this.cursor = cursor
            for (const listener of this.#listeners) listener()
        }
        return { onStdout: take, onStderr: take }
    }

    async holds(text) {
        const alive = setInterval(() => undefined, 1000) // An attached process alone does not keep the program alive.
        while (!this.text.includes(text)) await new Promise((resolve) => this.#listeners.add(resolve))
        clearInterval(alive)
    }
}

test('a process is written to, read, forked with its sandbox, and ends', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    const job = await sandbox.startProcess('n=0; while read line; do n=$((n+1)); echo "$n $line"; done; exit 3',
        { stdin: true, name: 'counter' })
    assert.deepEqual([job.name, (await job.info()).status], ['counter', 'running'])
    const output = new Output()
    assert.equal(await job.attach(output.callbacks), 0)
    await job.write('one\n')
    await output.holds('1 one\n')

    const [child] = await sandbox.fork()
    const same = await child.getProcess(job.id)
    assert.deepEqual([same.id, same.pid], [job.id, job.pid])
    const childOutput = new Output()
    await same.attach(childOutput.callbacks)
    await same.write(Buffer.from('in the child\n'))
    await childOutput.holds('2 in the child\n')

    await job.detach()
    await job.write('two\n')
    await job.closeStdin()
    const end = await job.wait()
    assert.deepEqual([end.status, end.exitCode], ['exited', 3])
    const rest = new Output()
    assert.equal(await job.attach({ ...rest.callbacks, cursor: output.cursor }), output.cursor)
    await rest.holds('2 two\n')
    assert.equal(output.text, '1 one\n', 'nothing came after detach')
    assert.deepEqual((await sandbox.listProcesses()).map(({ id, status }) => [id, status]), [[job.id, 'exited']])
    assert.equal((await same.wait({ timeoutMs: 1 })).status, 'running')
    await same.kill()
    assert.equal((await same.wait()).signal, 'SIGTERM')
    await assert.rejects(sandbox.getProcess('p999'), ProcessNotFoundError)
})

test('a terminal has the size that it was given last', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    const shell = await sandbox.startProcess(['sh'], { pty: { cols: 80, rows: 24 } })
    const output = new Output()
    await shell.attach(output.callbacks)
    await shell.resize({ cols: 101, rows: 31 })
    await shell.write('stty size\n')
    await output.holds('31 101')
    await shell.write('exit\n')
    assert.equal((await shell.wait()).exitCode, 0)
})

test('output comes by its process, stream and encoding, and its end with the reason', async (t) => {
    const sandbox = await fakeClient(t).create()
    const job = await sandbox.startProcess('x')
    const events = []
    await new Promise((resolve) => {
        const alive = setInterval(() => undefined, 1000)
        job.attach({
            onStdout: (data, cursor) => events.push(['out', data, cursor]),
            onStderr: (data, cursor) => events.push(['err', data, cursor]),
            onEnd: (stream, reason) => {
                events.push([stream, reason])
                if (stream !== 'stderr') return
                clearInterval(alive)
                resolve()
            },
        })
    })
    assert.deepEqual(events,
        [['out', 'text', 4], ['err', '\ufffd', 5], ['stdout', 'eof'], ['stderr', 'interrupted']])
})

test('a process that was started although the call had been cancelled is killed', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const controller = new AbortController()
    const starting = sandbox.startProcess('x', { name: 'late' }, { signal: controller.signal })
    while ((await receivedParams(client, 'process/start')).length === 0) await new Promise(setImmediate)
    controller.abort()
    await assert.rejects(starting, AbortError)
    while ((await receivedParams(client, 'process/signal')).length === 0) await new Promise(setImmediate)
    assert.deepEqual(await receivedParams(client, 'process/signal'),
        [{ sandboxId: sandbox.id, processId: 'p1', signal: 'SIGKILL' }])
})
