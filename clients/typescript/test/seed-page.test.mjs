// The three programs on the hosted service's page about checkpoints, step by step and in their order, in words of
// our own. Two things differ. The image is `host`, which needs no download. And where the page installs packages with
// pip, which waits for the network, a small module is written and python3 prints its version: also something that
// takes an interpreter and lasts in the filesystem.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SandboxDestroyedError, SandboxNotFoundError, SnapshotNotFoundError } from 'isorun'
import { engineClient, withEngine } from './support/engine.mjs'

const PREPARE_MODULE = `mkdir -p /tmp/site && echo "__version__ = '1.26.4'" > /tmp/site/prepared.py`
const PRINT_VERSION = "PYTHONPATH=/tmp/site python3 -c 'import prepared; print(prepared.__version__)'"

/** Fails the test unless the command of a preparation succeeded. */
function succeeded(result) {
    assert.deepEqual([result.exitCode, result.stderr], [0, ''])
    return result
}

test('snapshot and restore: what was prepared outlives its sandbox', withEngine, async (t) => {
    const isorun = engineClient(t)
    const sandbox = await isorun.create({ image: 'host' })
    succeeded(await sandbox.exec(PREPARE_MODULE))
    const snapshot = await sandbox.snapshot()
    await sandbox.destroy()

    const restored = await isorun.restore(snapshot.id)
    try {
        assert.notEqual(restored.id, sandbox.id)
        const result = succeeded(await restored.exec(PRINT_VERSION))
        assert.equal(result.stdout.trim(), '1.26.4')
    } finally {
        await restored.destroy()
    }

    // The checklist at the page's end.
    await isorun.deleteSnapshot(snapshot.id)
    await assert.rejects(isorun.restore(snapshot.id), SnapshotNotFoundError)
    await assert.rejects(isorun.deleteSnapshot(snapshot.id), SnapshotNotFoundError)
})

test('fork for parallel hypotheses: prepared once, tried in five children at once', withEngine, async (t) => {
    const isorun = engineClient(t)
    const parent = await isorun.create({ image: 'host' })
    succeeded(await parent.exec(PREPARE_MODULE))
    await parent.writeFile('/tmp/evaluate.py', [
        'import sys',
        'sys.path.insert(0, "/tmp/site")',
        'import prepared',
        'variant = sys.argv[1].split("=")[1]',
        'open("/tmp/variant", "a").write(variant)',
        'print(prepared.__version__, "variant", variant, "saw", open("/tmp/variant").read())',
    ].join('\n'))
    const children = await parent.fork(5)
    try {
        assert.equal(new Set([parent.id, ...children.map((child) => child.id)]).size, 6)
        const results = await Promise.all(
            children.map((child, i) => child.exec(`python3 /tmp/evaluate.py --variant=${i}`, 30)))
        assert.deepEqual(results.map((result) => succeeded(result).stdout.trim()),
            [0, 1, 2, 3, 4].map((i) => `1.26.4 variant ${i} saw ${i}`))
        assert.notEqual((await parent.exec('test -e /tmp/variant')).exitCode, 0, 'the parent saw a child\'s file')
    } finally {
        await Promise.all(children.map((child) => child.destroy()))
        await parent.destroy()
    }
    assert.deepEqual(await isorun.list(), [])
})

test('roll back to a snapshot: a failed step is undone by a new sandbox', withEngine, async (t) => {
    const isorun = engineClient(t)
    const sandbox = await isorun.create({ image: 'host' })
    let destroyed = false
    try {
        succeeded(await sandbox.exec("echo 'state-ok' > /tmp/state.txt"))
        const snapshot = await sandbox.snapshot()
        const failed = await sandbox.exec('rm /tmp/state.txt && exit 1')
        assert.equal(failed.exitCode, 1)
        await sandbox.destroy()
        destroyed = true

        const rolled = await isorun.restore(snapshot.id)
        const result = succeeded(await rolled.exec('cat /tmp/state.txt'))
        assert.equal(result.stdout.trim(), 'state-ok')
        await rolled.destroy()
    } finally {
        // As the page warns: destroy() throws on a destroyed sandbox, so a clean-up must know.
        if (!destroyed) await sandbox.destroy()
    }
    await assert.rejects(sandbox.destroy(),
        (error) => error instanceof SandboxDestroyedError || error instanceof SandboxNotFoundError)
})
