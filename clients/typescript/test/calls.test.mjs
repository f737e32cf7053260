import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbortError, InvalidParamsError, MessageTooLargeError, MethodNotFoundError, NotSupportedError } from 'isorun'
import { errorFromWire } from '../dist/errors/from-wire.js'
import { fakeClient, receivedParams } from './support/fake.mjs'

test('the hosted service\'s credentials for its API are accepted and not passed on', async (t) => {
    const client = fakeClient(t)
    await client.connect()
    const [params] = await receivedParams(client, 'initialize')
    assert.deepEqual(params, {
        clientInfo: { name: 'isorun', version: '0.1.0' }, protocolVersion: '1', clientProcessId: process.pid,
    })
})

test('connect tells what the engine offers, and starts only one', async (t) => {
    const client = fakeClient(t)
    const [first, second] = await Promise.all([client.connect(), client.connect()])
    assert.equal(first.serverInfo.name, 'fake-engine')
    assert.equal(first, second)
    assert.equal((await receivedParams(client, 'initialize')).length, 1)
})

test('calls made before the engine is up arrive in their order', async (t) => {
    const client = fakeClient(t)
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(names.map((name, n) => client.create({ name }, n % 2 === 0 ? {} : { timeoutMs: 60_000 })))
    assert.deepEqual((await receivedParams(client, 'sandbox/create')).map(({ name }) => name), names)
})

for (const [what, options, sent] of [
    ['nothing', {}, { onTimeout: 'destroy' }],
    ['what the engine knows', { image: 'host', env: { A: '1' }, mounts: [{ source: '/a', target: '/b', mode: 'ro' }] },
        { image: 'host', env: { A: '1' }, mounts: [{ source: '/a', target: '/b', mode: 'ro' }], onTimeout: 'destroy' }],
    ['a choice at the timeout', { timeoutSec: 5, onTimeout: 'hibernate' }, { timeoutSec: 5, onTimeout: 'hibernate' }],
    ['the profile unrestricted', { networkProfile: 'unrestricted' },
        { onTimeout: 'destroy', network: { mode: 'nat' } }],
    ['the profile locked-down', { networkProfile: 'locked-down' }, { onTimeout: 'destroy', network: { mode: 'none' } }],
    ['the engine\'s network mode', { network: { mode: 'none' } }, { onTimeout: 'destroy', network: { mode: 'none' } }],
    ['rules of the network', { network: { allow: ['example.org:443'], deny: [] } },
        { onTimeout: 'destroy', network: { allow: ['example.org:443'], deny: [] } }],
    ['a misspelt option, for the engine to refuse', { memMib: 1 }, { onTimeout: 'destroy', memMib: 1 }],
]) {
    test(`create passes on ${what}`, async (t) => {
        const client = fakeClient(t)
        const sandbox = await client.create(options)
        assert.deepEqual(
            [sandbox.image, sandbox.vcpus, sandbox.memMiB, sandbox.diskMiB, sandbox.createMs],
            ['host', 1, 1024, 4096, 1])
        assert.deepEqual(await receivedParams(client, 'sandbox/create'), [sent])
    })
}

for (const [what, options, errorClass] of [
    ['credentials', { credentials: [] }, NotSupportedError],
    ['an unknown profile', { networkProfile: 'open' }, InvalidParamsError],
    ['a profile beside a network', { networkProfile: 'locked-down', network: {} }, InvalidParamsError],
]) {
    test(`create refuses ${what} and sends nothing`, async (t) => {
        const client = fakeClient(t)
        await assert.rejects(client.create(options), errorClass)
        assert.deepEqual(await receivedParams(client, 'sandbox/create'), [])
    })
}

test('the network profiles are those that create takes', async (t) => {
    const client = fakeClient(t)
    for (const { name } of await client.networkProfiles()) await client.create({ networkProfile: name })
    assert.equal((await receivedParams(client, 'sandbox/create')).length, 2)
})

test('exec takes seconds or options in second place', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const result = await sandbox.exec('echo hello world')
    assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'hello world', ''])
    await sandbox.exec('echo', 1.5)
    await sandbox.exec('echo', 0)
    await sandbox.exec('echo', { cwd: '/tmp', env: { A: '1' }, stdin: 'in', timeoutSec: Infinity })
    const sandboxId = sandbox.id
    assert.deepEqual(await receivedParams(client, 'sandbox/exec'), [
        { sandboxId, command: 'echo hello world', timeoutMs: 600_000 },
        { sandboxId, command: 'echo', timeoutMs: 1500 },
        { sandboxId, command: 'echo' },
        { sandboxId, command: 'echo', cwd: '/tmp', env: { A: '1' }, stdin: 'in' },
    ])
    await assert.rejects(sandbox.exec('echo', -1), InvalidParamsError)
    await assert.rejects(sandbox.exec('echo', NaN), InvalidParamsError)
})

test('execStream passes on the output of its own command only', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const out = []
    const err = []
    const result = await sandbox.execStream('stream', { onStdout: (s) => out.push(s), onStderr: (s) => err.push(s) })
    assert.deepEqual([out, err], [['one ', 'two'], ['oops']])
    assert.equal(result.stdout, 'one two')
    const tokens = (await receivedParams(client, 'sandbox/exec')).map((params) => params.outputToken)
    assert.deepEqual(tokens.map((token) => typeof token), ['string'])
})

test('a callback that throws ends the command, and the call with its error', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const failure = new Error('of the callback')
    let calls = 0
    const onStdout = () => {
        calls++
        throw failure
    }
    await assert.rejects(sandbox.execStream('streamForEver', { onStdout }), failure)
    await assert.rejects(sandbox.execStream('stream', { onStdout }), failure)
    assert.equal(calls, 2)
    assert.equal((await receivedParams(client, '$/cancelRequest')).length >= 1, true)
})

test('execStream can be aborted', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const stop = new AbortController()
    const stream = sandbox.execStream('streamForEver', { onStdout: () => stop.abort() }, { signal: stop.signal })
    await assert.rejects(stream, AbortError)
    await assert.rejects(sandbox.execStream('deaf', {}, { signal: stop.signal }), AbortError)
})

test('a large file is read in pieces that may end inside of a character', async (t) => {
    const sandbox = await fakeClient(t).create()
    assert.equal(await sandbox.readFile('/f'), 'début: a file that is read in several pieces ✓')
    assert.equal((await sandbox.readFileBytes('/f')).length, 49)
})

test('files are written exactly: text, views on a buffer, bytes that no JSON string carries', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await sandbox.writeFile('/a', 'é\0')
    await sandbox.writeFile('/b', new Uint8Array([1, 0, 255, 4]).subarray(1, 3), { mode: 0o600, createParents: true })
    const sandboxId = sandbox.id
    assert.deepEqual(await receivedParams(client, 'fs/write'), [
        { sandboxId, path: '/a', data: Buffer.from('é\0').toString('base64'), encoding: 'base64' },
        { sandboxId, path: '/b', data: Buffer.of(0, 255).toString('base64'), encoding: 'base64',
            mode: 0o600, createParents: true },
    ])
})

test('a request that the engine would refuse for its size is not sent', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await assert.rejects(sandbox.writeFile('/a', new Uint8Array(49 * 1024 * 1024)), MessageTooLargeError)
    assert.equal((await sandbox.exec('echo still there')).stdout, 'still there')
})

test('get gives null for an unknown sandbox', async (t) => {
    const client = fakeClient(t)
    assert.equal(await client.get('unknown'), null)
    assert.equal((await client.get('run5')).id, 'run5')
})

test('list leaves out what is destroyed', async (t) => {
    assert.deepEqual((await fakeClient(t).list()).map(({ id }) => id), ['run1', 'run2', 'gone'])
})

test('usage measures what runs, and leaves out what went meanwhile', async (t) => {
    const usage = await fakeClient(t).usage()
    assert.deepEqual(usage.map(({ id, cpuMs, costCents }) => [id, cpuMs, costCents]),
        [['run1', 3, 0], ['run2', undefined, 0]])
})

test('history has what this client destroyed, the latest first', async (t) => {
    const client = fakeClient(t)
    assert.deepEqual(await client.history(), [])
    const [a, b] = [await client.create(), await client.create()]
    assert.deepEqual(await a.destroy(), { status: 'destroyed', cpuMs: 5, memPeakBytes: 6, uptimeMs: 7, costCents: 0 })
    await b.destroy()
    const history = await client.history()
    assert.deepEqual(history.map(({ id, status, cpuMs, uptimeMs }) => [id, status, cpuMs, uptimeMs]),
        [[b.id, 'destroyed', 5, 7], [a.id, 'destroyed', 5, 7]])
})

test('snapshots carry the hosted name of their sandbox', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const snapshot = await sandbox.snapshot({ name: 'prepared' })
    assert.deepEqual([snapshot.runId, snapshot.sizeBytes], [snapshot.sandboxId, 5])
    assert.deepEqual((await client.listSnapshots()).map(({ runId }) => runId), [snapshot.runId])
})

test('fork passes on the count and the overrides', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    assert.equal((await sandbox.fork()).length, 1)
    const children = await sandbox.fork(2, { children: [{ name: 'a' }, { name: 'b' }], runtime: 'none' })
    assert.deepEqual(children.map(({ name }) => name), ['a', 'b'])
    assert.deepEqual(await receivedParams(client, 'sandbox/fork'), [
        { count: 1, sandboxId: sandbox.id },
        { children: [{ name: 'a' }, { name: 'b' }], runtime: 'none', count: 2, sandboxId: sandbox.id },
    ])
})

test('url checks its port, which must be forwarded', async (t) => {
    const sandbox = await fakeClient(t).create()
    for (const port of [0, 65536, 1.5, NaN]) assert.throws(() => sandbox.url(port), RangeError)
    for (const port of [1, 65535]) assert.throws(() => sandbox.url(port, '/x'), NotSupportedError)
})

test('a method that the engine has not yet is a clear error', () => {
    assert.ok(errorFromWire({ code: -32601, message: 'No such method.' }) instanceof MethodNotFoundError)
})

test('answers may come in any order, glued together or byte by byte', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    const order = []
    await Promise.all(['sleep 60', 'sleep 30', 'sleep 1', 'glued'].map(async (command) => {
        order.push((await sandbox.exec(command)).stdout)
    }))
    assert.deepEqual(order, ['glued', '1', '30', '60'])
    assert.equal((await sandbox.exec('bytewise')).stdout, 'bytewise ✓')
    const answers = (await client.request('fake/received')).filter(({ id }) => id === 'from-engine')
    assert.deepEqual(answers.map(({ error }) => error.code), [-32601])
})

test('an engine that does not read holds requests back, and all arrive in the end', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await sandbox.exec('stopReading 300')
    const content = new Uint8Array(1024 * 1024)
    await Promise.all(Array.from({ length: 20 }, (_, n) => sandbox.writeFile(`/${n}`, content)))
    const paths = (await receivedParams(client, 'fs/write')).map(({ path }) => path)
    assert.deepEqual(paths, Array.from({ length: 20 }, (_, n) => `/${n}`))
})
