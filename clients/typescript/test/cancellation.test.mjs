import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
    AbortError, ConnectionClosedError, InvalidParamsError, Isorun, IsorunError, RequestTimeoutError, Sandbox, SandboxProcess,
} from 'isorun'
import { fakeClient, fakeEngine, receivedParams } from './support/fake.mjs'

/** Arguments that bring each member's call options to the last place. */
const MEMBERS = {
    client: {
        connect: [], create: [{}], restore: ['snap1', {}], get: ['run1'], list: [{}], listSnapshots: [{}],
        getSnapshot: ['snap1'], exportSnapshot: ['snap1', '/a'], importSnapshot: ['/a'],
        deleteSnapshot: ['snap1'], diffSnapshots: ['snap1', 'snap2'], usage: [],
        request: ['x', {}], listImages: [], getImage: ['a:1'], importImage: ['/a', 'a:1', {}], pullImage: ['a:1', {}],
        removeImage: ['a:1'], commitImage: ['snap1', 'a:1'], exportImage: ['a:1', '/a', {}],
    },
    sandbox: {
        exec: ['never', 1], execStream: ['never', {}], writeFile: ['/a', 'x', {}], readFile: ['/a'],
        readFileBytes: ['/a'], readdir: ['/'], commit: ['/a', {}], race: [[{ command: 'x' }], {}],
        copyIn: ['/a', '/b'], stat: ['/a'], mkdir: ['/a', {}], remove: ['/a', {}], move: ['/a', '/b'],
        copyOut: ['/a', '/b'],
        info: [], stats: [], snapshot: [{}], explain: [], diff: [{}],
        rollback: ['snap1', {}], fork: [1, {}], hibernate: [], resume: [{}], setTimeout: [1],
        forward: [80, {}], ports: [], closePort: [80], destroy: [],
        startProcess: ['x', {}], listProcesses: [], getProcess: ['p1'],
    },
    process: {
        info: [], attach: [{}], detach: [], write: ['x'], closeStdin: [], kill: ['SIGTERM'], resize: [{ cols: 1, rows: 1 }],
        wait: [{}],
    },
}

// They answer without the engine, or end it.
const WITHOUT_SIGNAL = new Set(['constructor', 'close', 'networkProfiles', 'history', 'url', 'attach', 'makeSandbox',
    'makeImage', 'listInfos', 'usageRecord', 'call'])

test('every member that waits for the engine is listed here', () => {
    for (const [kind, prototype] of [['client', Isorun.prototype], ['sandbox', Sandbox.prototype],
        ['process', SandboxProcess.prototype]]) {
        const names = Object.getOwnPropertyNames(prototype)
            .filter((name) => Object.hasOwn(MEMBERS[kind], name) || !WITHOUT_SIGNAL.has(name))
        assert.deepEqual(names.sort(), Object.keys(MEMBERS[kind]).sort())
    }
})

test('every member takes a signal as its last argument', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const job = await sandbox.startProcess('x')
    const before = await client.request('fake/received')
    const signal = AbortSignal.abort()
    for (const [target, members] of [[client, MEMBERS.client], [sandbox, MEMBERS.sandbox],
        [job, MEMBERS.process]]) {
        for (const [name, args] of Object.entries(members)) {
            await assert.rejects(target[name](...args, { signal }), { name: 'AbortError' }, name)
        }
    }
    assert.equal((await client.request('fake/received')).length, before.length + 1, 'nothing of it was sent')
})

test('an abort rejects at once with an AbortError and cancels the request', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const stop = new AbortController()
    const call = sandbox.exec('never', 600, { signal: stop.signal })
    setTimeout(() => stop.abort('no longer wanted'), 20)
    await assert.rejects(call, (error) => {
        assert.ok(error instanceof AbortError && error instanceof IsorunError)
        assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', 'no longer wanted'])
        return true
    })
    const messages = await client.request('fake/received')
    const { id } = messages.find(({ params }) => params?.command === 'never')
    assert.deepEqual(await receivedParams(client, '$/cancelRequest'), [{ id }])
    assert.equal((await sandbox.exec('echo goes on')).stdout, 'goes on')
})

test('a signal that is aborted after the answer changes nothing', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const stop = new AbortController()
    await sandbox.exec('echo', 600, { signal: stop.signal })
    stop.abort()
    assert.deepEqual(await receivedParams(client, '$/cancelRequest'), [])
})

test('no answer in time cancels the request, too', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await assert.rejects(sandbox.exec('never', 600, { timeoutMs: 30 }), (error) => {
        assert.ok(error instanceof RequestTimeoutError)
        assert.deepEqual([error.status, error.data], [408, { method: 'sandbox/exec', timeoutMs: 30 }])
        return true
    })
    assert.equal((await receivedParams(client, '$/cancelRequest')).length, 1)
})

test('a time limit longer than timers reach, or endless, does not fire at once', async (t) => {
    const sandbox = await fakeClient(t).create()
    for (const timeoutMs of [2 ** 40, Infinity]) {
        assert.equal((await sandbox.exec('sleep 5', 9, { timeoutMs })).stdout, '5')
    }
    for (const timeoutMs of [0, -1, NaN]) {
        await assert.rejects(sandbox.exec('echo', 9, { timeoutMs }), InvalidParamsError)
    }
})

test('the time limit and the signal cover the start of the engine; close ends the start', async () => {
    const client = new Isorun({ engine: fakeEngine('silent') })
    const patient = assert.rejects(client.create(), ConnectionClosedError)
    await assert.rejects(client.create({}, { timeoutMs: 30 }), RequestTimeoutError)
    await assert.rejects(client.connect({ signal: AbortSignal.timeout(30) }), AbortError)
    await client.close()
    await patient
})

/** The params of the method's messages as soon as there are any. The test's time limit ends the wait. */
async function arrived(client, method) {
    for (;;) {
        const params = await receivedParams(client, method)
        if (params.length > 0) return params
        await delay(5)
    }
}

test('a sandbox that was made although its creation was cancelled is destroyed', { timeout: 10_000 }, async (t) => {
    const client = fakeClient(t)
    await client.connect()
    await assert.rejects(client.create({ name: 'late' }, { timeoutMs: 30 }), RequestTimeoutError)
    assert.deepEqual(await arrived(client, 'sandbox/destroy'), [{ sandboxId: 'run0000000000000001' }])
})

test('a snapshot that was made although it was cancelled is deleted', { timeout: 10_000 }, async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await assert.rejects(sandbox.snapshot({ name: 'late' }, { timeoutMs: 30 }), RequestTimeoutError)
    assert.deepEqual(await arrived(client, 'snapshot/delete'), [{ snapshotId: 'snap0000000000000001' }])
})

test('a request that has not left is never sent after its abort; cancellations overtake those that wait', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await sandbox.exec('stopReading 300')
    const sent = new AbortController()
    const early = sandbox.exec('never', 600, { signal: sent.signal })
    const filler = Array.from({ length: 8 }, () => sandbox.writeFile('/filler', new Uint8Array(1024 * 1024)))
    const waiting = new AbortController()
    const late = sandbox.exec('echo unsent', 600, { signal: waiting.signal })
    await delay(20)
    sent.abort()
    waiting.abort()
    await assert.rejects(early, AbortError)
    await assert.rejects(late, AbortError)
    await Promise.all(filler)
    const messages = await client.request('fake/received')
    assert.equal(messages.some(({ params }) => params?.command === 'echo unsent'), false)
    const cancelAt = messages.findIndex(({ method }) => method === '$/cancelRequest')
    const lastFiller = messages.map(({ method }) => method).lastIndexOf('fs/write')
    assert.ok(cancelAt >= 0 && cancelAt < lastFiller, `cancel at ${cancelAt}, last filler at ${lastFiller}`)
    assert.equal(messages.filter(({ method }) => method === '$/cancelRequest').length, 1)
})
