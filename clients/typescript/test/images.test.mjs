// Images: against the real engine, and what only a fake one does.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, copyFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AbortError, HostUnsupportedError, ImageInUseError, ImageNotFoundError, PathExistsError, PullFailedError } from 'isorun'
import { engineClient, withEngine } from './support/engine.mjs'
import { fakeClient, receivedParams } from './support/fake.mjs'

const busybox = '/bin/busybox'
const withBusybox = existsSync(busybox) ? withEngine : { skip: `${busybox}, of which images are made, is missing` }

/** A folder that goes with the test, and in it the archive of a root filesystem with a shell and 8 MB of noise. */
function madeArchive(t) {
    const folder = mkdtempSync(join(tmpdir(), 'isorun-images-'))
    t.after(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'root/bin'), { recursive: true })
    copyFileSync(busybox, join(folder, 'root/bin/busybox'))
    symlinkSync('busybox', join(folder, 'root/bin/sh'))
    writeFileSync(join(folder, 'root/noise'), Buffer.alloc(8_000_000, 'noise'))
    execFileSync('tar', ['-C', join(folder, 'root'), '-cf', join(folder, 'tiny.tar'), '.'])
    return { folder, archive: join(folder, 'tiny.tar') }
}

test('an image is imported, changed in a sandbox, committed, exported and removed', withBusybox, async (t) => {
    const { folder, archive } = madeArchive(t)
    const client = engineClient(t)
    const reports = []
    const image = await client.importImage(archive, 'tiny:1', { onProgress: (progress) => reports.push(progress) })
    assert.deepEqual([image.ref, image.layers, image.config.cwd], ['tiny:1', 1, '/'])
    assert.equal(reports[0].message, 'unpacking')
    assert.ok(reports.every(({ completedBytes, totalBytes }) => completedBytes === undefined || completedBytes <= totalBytes))
    assert.deepEqual(await client.getImage('tiny:1'), image)

    const sandbox = await client.create({ image: 'tiny:1' })
    await sandbox.writeFile('/new', 'made inside')
    const snapshot = await sandbox.snapshot()
    assert.equal((await client.commitImage(snapshot.id, 'tiny:2')).layers, 2)
    const exported = await client.exportImage('tiny:2', join(folder, 'layout'), { compression: 'zstd' })
    assert.match(exported.digest, /^sha256:[0-9a-f]{64}$/)
    await client.importImage(exported.path, 'tiny:3')
    assert.equal(await (await client.create({ image: 'tiny:3' })).readFile('/new'), 'made inside')
    assert.deepEqual((await client.listImages()).map(({ ref }) => ref).sort(), ['host', 'tiny:1', 'tiny:2', 'tiny:3'])

    await assert.rejects(client.exportImage('tiny:2', exported.path), PathExistsError)
    await assert.rejects(client.removeImage('tiny:1'), ImageInUseError)
    await client.removeImage('tiny:2')
    await assert.rejects(client.getImage('tiny:2'), ImageNotFoundError)
    await assert.rejects(client.pullImage('127.0.0.1:1/none:1'),
        (error) => error instanceof PullFailedError || error instanceof HostUnsupportedError)
})

test('an aborted import rejects and leaves no image', withBusybox, async (t) => {
    const { archive } = madeArchive(t)
    const client = engineClient(t)
    const controller = new AbortController()
    const importing = client.importImage(archive, 'tiny:1', { onProgress: () => controller.abort() },
        { signal: controller.signal })
    await assert.rejects(importing, AbortError)
    await assert.rejects(client.removeImage('tiny:1'), ImageNotFoundError)
})

test('a callback that throws cancels the import, which rejects with its error', withBusybox, async (t) => {
    const { archive } = madeArchive(t)
    const client = engineClient(t)
    const importing = client.importImage(archive, 'tiny:1', { onProgress: () => { throw new TypeError('mine') } })
    await assert.rejects(importing, { name: 'TypeError', message: 'mine' })
})

test('progress of other requests is not told, and without a callback none is asked for', async (t) => {
    const client = fakeClient(t)
    const reports = []
    await client.pullImage('a:1', { onProgress: ({ percentage }) => reports.push(percentage) })
    assert.deepEqual(reports, [10, 100])
    await client.pullImage('a:2')
    const sent = await receivedParams(client, 'image/pull')
    assert.deepEqual(sent.map(({ workDoneToken }) => typeof workDoneToken), ['string', 'undefined'])
})

test('an image that was pulled although the call had been cancelled loses its name', async (t) => {
    const client = fakeClient(t)
    const controller = new AbortController()
    const pulling = client.pullImage('late', { onProgress: () => controller.abort() }, { signal: controller.signal })
    await assert.rejects(pulling, AbortError)
    while ((await receivedParams(client, 'image/remove')).length === 0) await new Promise(setImmediate)
    assert.deepEqual(await receivedParams(client, 'image/remove'), [{ ref: 'late' }])
})
