import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import * as imported from 'isorun'
import { VERSION } from '../dist/version.js'
import { fakeClient, receivedParams } from './support/fake.mjs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const required = createRequire(import.meta.url)('isorun')

test('import and require give the same classes', () => {
    const names = Object.keys(required)
    assert.ok(names.includes('Isorun') && names.includes('SandboxNotFoundError'))
    for (const name of names) assert.equal(imported[name], required[name], name)
})

test('the version is that of the package', () => assert.equal(VERSION, manifest.version))

test('there are no runtime dependencies', () => {
    for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) {
        assert.equal(manifest[kind], undefined)
    }
})

// What compiled code calls at the end of an `await using` scope; older Nodes have no syntax for it.
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

test('await using destroys a sandbox, once', async (t) => {
    const client = fakeClient(t)
    const sandbox = await client.create()
    await sandbox[asyncDispose]()
    assert.deepEqual(await receivedParams(client, 'sandbox/destroy'), [{ sandboxId: sandbox.id }])
})

test('await using closes a client', async (t) => {
    const client = fakeClient(t)
    await client.connect()
    await client[asyncDispose]()
    await assert.rejects(client.list(), { kind: 'ConnectionClosed' })
})
