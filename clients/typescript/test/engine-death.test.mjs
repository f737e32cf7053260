import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionClosedError, EngineExitedError, EngineProtocolError, Isorun, IsorunError } from 'isorun'
import { fakeClient, fakeEngine, receivedParams } from './support/fake.mjs'

const exited = (exitCode, signal) => (error) => {
    assert.ok(error instanceof EngineExitedError && error instanceof IsorunError, error.stack)
    assert.deepEqual([error.exitCode, error.signal, error.status], [exitCode, signal, 503])
    return true
}

for (const [order, exitCode, signal] of [['die 3', 3, null], ['die SIGKILL', null, 'SIGKILL'], ['die 0', 0, null]]) {
    test(`every pending call rejects when the engine does "${order}"`, async (t) => {
        const client = fakeClient(t)
        const sandbox = await client.create()
        const pending = [sandbox.exec('never'), sandbox.exec('deaf'), sandbox.exec(order)]
        for (const outcome of await Promise.allSettled(pending)) {
            exited(exitCode, signal)(outcome.reason)
            assert.equal(outcome.reason.stderr, 'first line\nfatal: told to die')
            assert.match(outcome.reason.message, /sandbox\/exec.*\nfatal: told to die$/s)
        }
    })
}

test('after its death calls reject, until connect starts a new engine; nothing is sent again', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await assert.rejects(sandbox.exec('die 3'), exited(3, null))
    await assert.rejects(sandbox.exec('echo'), exited(3, null))
    await assert.rejects(client.create(), exited(3, null))
    await client.connect()
    assert.deepEqual((await client.request('fake/received')).map(({ method }) => method),
        ['initialize', 'initialized', 'fake/received'])
    await client.create()
})

test('an answer that is cut off by the death is no answer', async (t) => {
    const sandbox = await fakeClient(t).create()
    await assert.rejects(sandbox.exec('dieInAnswer'), exited(9, null))
})

test('a process that inherited the pipes does not hide the death', async (t) => {
    const sandbox = await fakeClient(t).create()
    await assert.rejects(sandbox.exec('dieWithHeir'), exited(null, 'SIGKILL'))
})

test('an engine that dies at its start is reported with its last words', async (t) => {
    const client = fakeClient(t, 'dies-at-start')
    await assert.rejects(client.create(), exited(7, null))
    await assert.rejects(client.create(), /initialize was not answered.*fatal: told to die/s)
})

test('a newer protocol is refused', async (t) => {
    await assert.rejects(fakeClient(t, 'newer').connect(), (error) => {
        assert.ok(error instanceof EngineProtocolError)
        assert.match(error.message, /protocol version 2/)
        return true
    })
})

for (const [order, words] of [
    ['garbage', /Segmentation fault/], ['notJSON', /not a JSON object/], ['strayAnswer', /4711/],
    ['refusedFrame', /the body is too large/], ['emptyAnswer', /neither a result nor an error/],
]) {
    test(`"${order}" on standard output ends the engine and every call`, async (t) => {
        const client = fakeClient(t)
        const sandbox = await client.create()
        for (const outcome of await Promise.allSettled([sandbox.exec('never'), sandbox.exec(order)])) {
            assert.ok(outcome.reason instanceof EngineProtocolError, outcome.reason?.stack)
            assert.match(outcome.reason.message, words)
        }
        await assert.rejects(sandbox.exec('echo'), EngineProtocolError)
        await client.connect()
        await client.create()
    })
}

test('close ends the engine; pending and later calls reject; connect starts a new one', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const pending = sandbox.exec('deaf')
    const closing = [client.close(), client.close()]
    await assert.rejects(pending, ConnectionClosedError)
    await Promise.all(closing)
    await assert.rejects(sandbox.exec('echo'), ConnectionClosedError)
    await assert.rejects(client.list(), ConnectionClosedError)
    await client.connect()
    assert.deepEqual(await receivedParams(client, 'shutdown'), [])
    assert.equal((await client.create()).image, 'host')
})

test('close asks for the shutdown, then for the exit', async () => {
    const client = new Isorun({ engine: fakeEngine() })
    await client.connect()
    await client.close() // The fake exits at `exit`; without it the close would last until the kill.
    await client.close()
})

test('close of a client that never started does nothing', async () => {
    const client = new Isorun({ engine: '/nonexistent' })
    await client.close()
    await assert.rejects(client.list(), ConnectionClosedError)
})

test('close kills an engine that does not go', async () => {
    const client = new Isorun({ engine: fakeEngine('stubborn') })
    const sandbox = await client.create()
    const pending = sandbox.exec('deaf')
    const started = Date.now()
    await Promise.all([client.close(), assert.rejects(pending, ConnectionClosedError)])
    assert.ok(Date.now() - started < 9000)
})
