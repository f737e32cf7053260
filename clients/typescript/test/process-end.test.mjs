// A program must end by itself when its work is done, and its engine with it, whether or not it closes its client.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fakeEngine } from './support/fake.mjs'

const PACKAGE = new URL('..', import.meta.url)

/** Runs the body of an async function that has `client`; resolves with its exit and what it printed. */
async function run(body, { mode = 'ordinary', limitMs = 8000 } = {}) {
    const source = `import { Isorun } from 'isorun'
        const client = new Isorun({ engine: ${JSON.stringify(fakeEngine(mode))} })
        const enginePid = async () => (await import('node:fs')).readFileSync(
            '/proc/self/task/' + process.pid + '/children', 'utf8').trim()
        ${body}`
    const child = spawn(process.execPath, ['--input-type=module', '-e', source],
        { cwd: PACKAGE, stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = ''
    child.stdout.on('data', (chunk) => { printed += chunk })
    child.stderr.on('data', (chunk) => { printed += chunk })
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)))
    clearTimeout(timer)
    return { code, signal, printed: printed.trim() }
}

const ended = (outcome) => assert.deepEqual([outcome.code, outcome.signal], [0, null], outcome.printed)

async function assertGone(pid) {
    assert.match(pid, /^\d+$/)
    for (let waited = 0; waited < 2000; waited += 20) {
        try {
            process.kill(Number(pid), 0)
        } catch (error) {
            assert.equal(error.code, 'ESRCH')
            return
        }
        await delay(20)
    }
    assert.fail(`engine ${pid} is still there`)
}

test('after the last destroy, without close', async () => {
    const outcome = await run(`
        const sandbox = await client.create()
        await sandbox.exec('echo')
        await sandbox.destroy()
        console.log(await enginePid())`)
    ended(outcome)
    await assertGone(outcome.printed)
})

test('with a sandbox left and no close', async () => {
    const outcome = await run('await client.create(); console.log(await enginePid())')
    ended(outcome)
    await assertGone(outcome.printed)
})

test('after close', async () => {
    const outcome = await run('await client.connect(); console.log(await enginePid()); await client.close()')
    ended(outcome)
    await assertGone(outcome.printed)
})

test('a client that was never used', async () => ended(await run('')))

test('not before a pending call is answered', async () => {
    const outcome = await run(`
        const sandbox = await client.create()
        sandbox.exec('sleep 300').then((result) => console.log('answered', result.stdout))`)
    ended(outcome)
    assert.equal(outcome.printed, 'answered 300')
})

test('not before a call is answered that nobody waits for', async () => {
    const outcome = await run(`
        client.create().then((sandbox) => sandbox.destroy()).then((result) => console.log(result.status))`)
    ended(outcome)
    assert.equal(outcome.printed, 'destroyed')
})

test('also when the engine ignores the cancellation of the last call', async () => {
    const outcome = await run(`
        const sandbox = await client.create()
        await sandbox.exec('deaf', 600, { timeoutMs: 50 }).catch((error) => console.log(error.kind))`)
    ended(outcome)
    assert.equal(outcome.printed, 'RequestTimeout')
})

test('also when the engine was killed at rest', async () => {
    const outcome = await run(`
        await client.create()
        process.kill(Number(await enginePid()), 'SIGKILL')
        await client.list().catch((error) => console.log(error.kind, error.signal))`)
    ended(outcome)
    assert.equal(outcome.printed, 'EngineExited SIGKILL')
})

test('Ctrl-C leaves the clean-up to the program: the engine is in another process group', async () => {
    const outcome = await run(`
        await client.create()
        const { readFileSync } = await import('node:fs')
        const group = (pid) => readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ')[2]
        console.log(group(await enginePid()) !== group(process.pid))`)
    ended(outcome)
    assert.equal(outcome.printed, 'true')
})
