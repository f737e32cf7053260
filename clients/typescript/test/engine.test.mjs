// The client's members against the real engine.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
    AbortError, InvalidParamsError, IsorunError, NotSupportedError, PathNotFoundError, SandboxDestroyedError, SandboxNotFoundError,
    SnapshotNotFoundError,
} from 'isorun'
import { engineClient, withEngine } from './support/engine.mjs'

const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

test('connect tells what the engine offers', withEngine, async (t) => {
    const { serverInfo, protocolVersion, capabilities } = await engineClient(t).connect()
    assert.deepEqual([serverInfo.name, protocolVersion], ['isorun-engine', '1'])
    assert.ok(capabilities.images.includes('host'))
})

test('a sandbox has what was asked for, and info agrees with the handle', withEngine, async (t) => {
    const client = engineClient(t)
    const sandbox = await client.create({
        name: 'asked', labels: { job: '7' }, env: { GREETING: 'hello' }, cwd: '/tmp', networkProfile: 'locked-down',
    })
    const info = await sandbox.info()
    assert.deepEqual([info.id, info.status, info.image, info.name, info.labels, info.network.mode, info.timeoutSec],
        [sandbox.id, 'running', 'host', 'asked', { job: '7' }, 'none', 0])
    assert.match(sandbox.id, /^run[0-9a-f]{16}$/)
    assert.equal((await sandbox.exec('echo $GREETING from $(pwd)')).stdout, 'hello from /tmp\n')
    assert.deepEqual((await client.list({ labels: { job: '7' } })).map(({ id }) => id), [sandbox.id])
    assert.deepEqual(await client.list({ labels: { job: '8' } }), [])
    assert.equal((await client.get(sandbox.id)).name, 'asked')
    assert.equal(await client.get('run0000000000000000'), null)
})

test('a service inside is reached at a forwarded port', withEngine, async (t) => {
    const sandbox = await engineClient(t).create({ networkProfile: 'locked-down' })
    const { port, hostAddress, hostPort } = await sandbox.forward(8000)
    assert.deepEqual(await sandbox.ports(), [{ port, hostAddress, hostPort }])
    assert.equal(sandbox.url(8000, '/a'), `http://127.0.0.1:${hostPort}/a`)
    await sandbox.exec('echo hello > /tmp/a; cd /tmp; python3 -m http.server --bind 127.0.0.1 8000 > /dev/null 2>&1 & ' +
        'until python3 -c "import socket; socket.create_connection((\'127.0.0.1\', 8000))" 2> /dev/null; do sleep 0.05; done')
    assert.equal(await (await fetch(sandbox.url(8000, '/a'))).text(), 'hello\n')
    await sandbox.closePort(8000)
    assert.deepEqual(await sandbox.ports(), [])
    assert.throws(() => sandbox.url(8000), NotSupportedError)
})

test('a misspelt option is refused by the engine', withEngine, async (t) => {
    await assert.rejects(engineClient(t).create({ memMib: 64 }), (error) => {
        assert.ok(error instanceof InvalidParamsError)
        assert.match(error.message, /memMib/)
        return true
    })
})

test('exec: exit code, both outputs, options, argv, a signal, a timeout', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    const plain = await sandbox.exec('echo out; echo err >&2; exit 3')
    assert.deepEqual([plain.exitCode, plain.stdout, plain.stderr, plain.timedOut], [3, 'out\n', 'err\n', false])
    const options = await sandbox.exec(['/bin/sh', '-c', 'cat; echo "$A $1"', 'sh', 'x y'],
        { env: { A: '1' }, stdin: 'in ' })
    assert.equal(options.stdout, 'in 1 x y\n')
    const killed = await sandbox.exec('kill -9 $$')
    assert.deepEqual([killed.exitCode, killed.signal], [137, 'SIGKILL'])
    const late = await sandbox.exec('echo before; sleep 30', 0.2)
    assert.deepEqual([late.exitCode, late.timedOut, late.stdout], [124, true, 'before\n'])
})

test('execStream passes output on before the command ends', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    let printed = ''
    let release
    const first = new Promise((resolve) => { release = resolve })
    const streaming = sandbox.execStream('echo one; while [ ! -e /tmp/go ]; do sleep 0.01; done; echo two', {
        timeoutSec: 20,
        onStdout: (data) => {
            printed += data
            release()
        },
    })
    await first
    assert.equal(printed, 'one\n')
    await sandbox.writeFile('/tmp/go', '')
    assert.equal((await streaming).stdout, 'one\ntwo\n')
    assert.equal(printed, 'one\ntwo\n')
})

test('files come back exactly', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    await sandbox.writeFile('/tmp/text', 'début ✓\n')
    assert.equal(await sandbox.readFile('/tmp/text'), 'début ✓\n')
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n)
    await sandbox.writeFile('/tmp/new/bytes', bytes, { createParents: true, mode: 0o600 })
    assert.deepEqual([...await sandbox.readFileBytes('/tmp/new/bytes')], [...bytes])
    assert.deepEqual((await sandbox.readdir('/tmp')).map(({ name }) => name).sort(), ['new', 'text'])
    await assert.rejects(sandbox.readFile('/tmp/absent'), (error) => {
        assert.ok(error instanceof PathNotFoundError)
        assert.equal(error.status, 404)
        return true
    })
})

test('a file of more than one piece comes back whole', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    assert.equal((await sandbox.exec("head -c 20000000 /dev/zero | tr '\\0' x > /tmp/large")).exitCode, 0)
    const text = await sandbox.readFile('/tmp/large')
    assert.equal(text.length, 20_000_000)
    assert.equal(text.replaceAll('x', ''), '')
})

test('rollback undoes in place, diff tells what differs', withEngine, async (t) => {
    const client = engineClient(t)
    const sandbox = await client.create()
    await sandbox.writeFile('/tmp/kept', '1')
    const snapshot = await sandbox.snapshot({ name: 'good' })
    assert.deepEqual([snapshot.sandboxId, snapshot.runId, snapshot.name], [sandbox.id, sandbox.id, 'good'])
    await sandbox.exec('rm /tmp/kept; echo > /tmp/new')
    const changes = (await sandbox.diff({ against: snapshot.id })).map(({ path, kind }) => `${kind} ${path}`)
    assert.ok(changes.includes('deleted /tmp/kept') && changes.includes('added /tmp/new'), changes.join())
    const info = await sandbox.rollback(snapshot.id)
    assert.equal(info.id, sandbox.id)
    assert.deepEqual((await sandbox.readdir('/tmp')).map(({ name }) => name), ['kept'])
    assert.deepEqual((await client.listSnapshots({ sandboxId: sandbox.id })).map(({ id }) => id), [snapshot.id])
    assert.equal((await client.getSnapshot(snapshot.id)).name, 'good')
    await client.deleteSnapshot(snapshot.id)
    await assert.rejects(client.getSnapshot(snapshot.id), SnapshotNotFoundError)
})

test('a snapshot outlives its engine', withEngine, async (t) => {
    const client = engineClient(t)
    const sandbox = await client.create()
    await sandbox.writeFile('/tmp/f', 'lasting')
    const { id } = await sandbox.snapshot()
    await client.close()
    await client.connect()
    await assert.rejects(sandbox.info(), SandboxNotFoundError)
    assert.equal(await (await client.restore(id, { name: 'again' })).readFile('/tmp/f'), 'lasting')
})

test('fork with overrides gives each child its own', withEngine, async (t) => {
    const sandbox = await engineClient(t).create({ env: { KEPT: 'k', OTHER: 'parent' } })
    const children = await sandbox.fork(2, { children: [{ name: 'a', env: { OTHER: 'A' } }, { name: 'b' }] })
    assert.deepEqual(children.map(({ name }) => name), ['a', 'b'])
    const outputs = await Promise.all(children.map((child) => child.exec('echo $KEPT $OTHER')))
    assert.deepEqual(outputs.map(({ stdout }) => stdout), ['k A\n', 'k parent\n'])
})

test('an aborted exec is killed', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    const stop = new AbortController()
    const call = sandbox.execStream('echo up; sleep 4321', { onStdout: () => stop.abort() }, { signal: stop.signal })
    await assert.rejects(call, AbortError)
    // The pattern does not match its own text, so that the search does not find itself.
    const wait = await sandbox.exec("while grep -qs '432[1]' /proc/[0-9]*/cmdline; do sleep 0.01; done", 10)
    assert.equal(wait.exitCode, 0)
})

test('a destroyed sandbox refuses everything, and dispose does not mind', withEngine, async (t) => {
    const client = engineClient(t)
    const sandbox = await client.create()
    const result = await sandbox.destroy()
    assert.deepEqual([result.status, result.costCents], ['destroyed', 0])
    for (const call of [sandbox.destroy(), sandbox.exec('true'), sandbox.snapshot(), sandbox.readFile('/etc/passwd')]) {
        await assert.rejects(call,
            (error) => error instanceof SandboxDestroyedError || error instanceof SandboxNotFoundError)
    }
    await sandbox[asyncDispose]()
    assert.equal(await client.get(sandbox.id), null)
    assert.deepEqual((await client.history()).map(({ id }) => id), [sandbox.id])
    assert.deepEqual(await client.usage(), [])
})

test('hibernate and resume keep the files, or say clearly that they are not to be had', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    await sandbox.writeFile('/tmp/f', 'kept')
    try {
        await sandbox.hibernate()
    } catch (error) {
        assert.ok(error instanceof IsorunError)
        assert.equal(error.status, 501, error.stack)
        return
    }
    await sandbox.resume()
    assert.equal(await sandbox.readFile('/tmp/f'), 'kept')
})

test('processes come back by choice, the reports tell which, and in a file they reach another store', withEngine, async (t) => {
    const client = engineClient(t)
    const sandbox = await client.create()
    await sandbox.exec('setsid sleep 1000 < /dev/null > /dev/null 2>&1 &')
    const snapshot = await sandbox.snapshot({ runtime: 'require', durable: true })
    assert.deepEqual([snapshot.runtime.kept, snapshot.runtime.dropped], [1, []])
    const running = async (box) => (await box.listProcesses()).filter(({ status }) => status === 'running').length
    const restored = await client.restore(snapshot.id)
    assert.deepEqual([await running(restored), (await restored.info()).runtime.kept], [1, 1])
    assert.equal(await running(await client.restore(snapshot.id, { runtime: 'none' })), 0)
    await restored.rollback(snapshot.id, { runtime: 'none' })
    assert.equal(await running(restored), 0)

    const folder = mkdtempSync(join(tmpdir(), 'isorun-export-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const { path, sizeBytes } = await client.exportSnapshot(snapshot.id, join(folder, 'one.isorun'))
    assert.equal(statSync(path).size, sizeBytes)
    const other = engineClient(t)
    assert.equal((await other.importSnapshot(path)).id, snapshot.id)
    assert.equal(await running(await other.restore(snapshot.id)), 1)
})

test('folders are made, looked at, moved and removed', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    await sandbox.mkdir('/tmp/a/b', { parents: true })
    await sandbox.move('/tmp/a', '/tmp/c')
    assert.deepEqual([(await sandbox.stat('/tmp/c/b')).type, (await sandbox.stat('/tmp/c')).uid], ['directory', 0])
    await assert.rejects(sandbox.remove('/tmp/c'), IsorunError)
    await sandbox.remove('/tmp/c', { recursive: true })
    await assert.rejects(sandbox.stat('/tmp/c'), PathNotFoundError)
})

test('stats and the timeout', withEngine, async (t) => {
    const sandbox = await engineClient(t).create()
    const stats = await sandbox.stats()
    for (const figure of ['cpuMs', 'memBytes', 'memPeakBytes', 'pids', 'diskBytes']) {
        assert.ok(stats[figure] >= 0, `${figure}: ${stats[figure]}`)
    }
    await sandbox.setTimeout(3600)
    assert.equal((await sandbox.info()).timeoutSec, 3600)
    await sandbox.setTimeout(0)
    assert.equal((await sandbox.info()).timeoutSec, 0)
})
