// The story in a terminal: prepare a sandbox once, keep it, lose it, get it back, break it, roll it back, and try five
// variants of an experiment at once in five copies of it, in which a program that counts goes on counting. The demo checks every result and fails when one is wrong.
//
//   make demo        or: ISORUN_ENGINE=/path/to/isorun-engine node examples/demo.mjs [store]
//
// The store is a temporary folder, removed at the end, unless one is named.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Isorun } from 'isorun'

const PROJECT = '/srv/project'
const VARIANTS = [1, 2, 3, 4, 5]

// The experiment: which slope fits the points best? Sums of squares are whole numbers, which awk and this program agree on.
const POINTS = Array.from({ length: 1000 }, (_, i) => [i + 1, 3 * (i + 1) + (i % 7)])
const FIT_AWK = '{ off = $2 - slope * $1; sum += off * off } END { printf "%.0f\\n", sum }\n'
const SETUP = 'sort -n "$PROJECT/raw" > "$PROJECT/points" && rm "$PROJECT/raw"'
const FIT = 'awk -v slope="${VARIANT:-3}" -f "$PROJECT/fit.awk" "$PROJECT/points" > "$PROJECT/result" && cat "$PROJECT/result"'

// Counts in its memory only: whoever started it anew would see it begin at 1.
const COUNTER = 'n=0; while :; do n=$((n+1)); echo $n > /tmp/count.new; mv /tmp/count.new /tmp/count; sleep 0.02; done'
const COUNTED = 20

const coloured = process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
const paint = (code) => (text) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text)
const [bold, dim, green, cyan] = [1, 2, 32, 36].map(paint)
const failed = (text) => (process.stderr.isTTY && coloured ? `\x1b[31m${text}\x1b[0m` : text)

const NAME_WIDTH = 22
const timings = []

/** Does one step of the story, says what came of it, and remembers how long it took. */
async function step(name, work, describe) {
    const started = performance.now()
    let result
    try {
        result = await work()
    } catch (cause) {
        throw new Error(`${name}: ${cause.message}`, { cause })
    }
    timings.push({ name, ms: performance.now() - started })
    console.log(`  ${cyan(name.padEnd(NAME_WIDTH))} ${describe(result)}`)
    return result
}

function printTimings() {
    console.log(`\n  ${bold('What each step took')}`)
    for (const { name, ms } of timings) console.log(`  ${name.padEnd(NAME_WIDTH)} ${green(ms.toFixed(1).padStart(8))} ms`)
    const total = timings.reduce((sum, { ms }) => sum + ms, 0)
    console.log(`  ${bold('total'.padEnd(NAME_WIDTH))} ${bold(total.toFixed(1).padStart(8))} ms`)
}

function expect(what, actual, expected) {
    if (actual === expected) return
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`)
}

/** Runs a command that has to succeed, and returns what it printed. */
async function run(sandbox, command) {
    const { exitCode, stdout, stderr } = await sandbox.exec(command, 30)
    expect(`exit code of '${command}'${stderr && ` (${stderr.trim()})`}`, exitCode, 0)
    return stdout
}

/** Fits the points with one slope in the sandbox, and holds the result against the one that is computed here. */
async function fit(sandbox, slope) {
    const squares = POINTS.reduce((sum, [x, y]) => sum + (y - slope * x) ** 2, 0)
    expect(`sum of squares for slope ${slope}`, await run(sandbox, FIT), `${squares}\n`)
    return Math.sqrt(squares / POINTS.length)
}

async function prepare(sandbox) {
    const backwards = [...POINTS].reverse().map(([x, y]) => `${x} ${y}\n`).join('')
    await sandbox.writeFile(`${PROJECT}/raw`, backwards, { createParents: true })
    await sandbox.writeFile(`${PROJECT}/fit.awk`, FIT_AWK)
    await run(sandbox, SETUP)
}

async function startCounter(sandbox) {
    await run(sandbox, `setsid sh -c '${COUNTER}' < /dev/null > /dev/null 2>&1 &`)
    return waitForCount(sandbox, COUNTED)
}

/** Waits until the counter of a sandbox has come so far, and says where it is. */
async function waitForCount(sandbox, least) {
    const text = await run(sandbox, `while [ "$(cat /tmp/count 2>/dev/null || echo 0)" -lt ${least} ]; do sleep 0.02; done; cat /tmp/count`)
    return Number(text)
}

/** The children's count after the old one is removed: only a living counter writes another, and only the same one goes on. */
async function goOnCounting(children, parentCount) {
    const counts = await Promise.all(children.map(async (child) => {
        await run(child, 'rm -f /tmp/count')
        return waitForCount(child, 1)
    }))
    for (const count of counts) expect('a count in a fork that goes on from its parent', count >= parentCount, true)
    return counts
}

async function breakIt(sandbox) {
    await run(sandbox, 'rm -rf "$PROJECT"')
    expect('exit code of a look at what was removed', (await sandbox.exec('test -e "$PROJECT"')).exitCode, 1)
}

async function rollBack(sandbox, snapshot) {
    const { id } = await sandbox.rollback(snapshot.id)
    expect('id after the rollback', id, sandbox.id)
    expect('the program after the rollback', await sandbox.readFile(`${PROJECT}/fit.awk`), FIT_AWK)
}

async function tryVariants(parent, children) {
    const errors = await Promise.all(children.map((child, i) => fit(child, VARIANTS[i])))
    const leaked = await parent.exec('test -e "$PROJECT/result"')
    expect("exit code of a look for the children's results in their parent", leaked.exitCode, 1)
    return errors
}

async function story(isorun) {
    await step('start the engine', () => isorun.connect(),
        ({ serverInfo, host }) => `${serverInfo.name} ${serverInfo.version} on kernel ${host.kernel}`)
    const first = await step('create', () => isorun.create({ env: { PROJECT } }),
        ({ id, image }) => `${id}, of the image ${image}`)
    await step('prepare', () => prepare(first), () => `${POINTS.length} points and a program in ${PROJECT}`)
    const snapshot = await step('snapshot', () => first.snapshot({ name: 'prepared' }), ({ id }) => id)
    await step('destroy', () => first.destroy(), () => `${first.id} is gone`)

    const sandbox = await step('restore', () => isorun.restore(snapshot.id),
        ({ id }) => `${id}, with the files and the environment of ${first.id}`)
    await step('break it', () => breakIt(sandbox), () => `rm -rf ${PROJECT}`)
    await step('roll back, in place', () => rollBack(sandbox, snapshot), () => `${sandbox.id} is as it was`)

    const counted = await step('start a counter', () => startCounter(sandbox), (count) => `a process that has counted to ${count}`)
    const children = await step(`fork into ${VARIANTS.length}`,
        () => sandbox.fork(VARIANTS.length, { children: VARIANTS.map((n) => ({ env: { VARIANT: String(n) } })) }),
        (forks) => `${forks.length} copies, each with a VARIANT of its own`)
    const errors = await step(`${children.length} variants at once`, () => tryVariants(sandbox, children),
        () => 'how far is y = VARIANT * x from the points?')
    const best = Math.min(...errors)
    errors.forEach((error, i) => {
        const line = `${children[i].id}  VARIANT=${VARIANTS[i]}  off by ${error.toFixed(1).padStart(6)}`
        console.log(`  ${' '.repeat(NAME_WIDTH)} ${error === best ? green(`${line}  best`) : dim(line)}`)
    })
    expect('best variant', VARIANTS[errors.indexOf(best)], 3)

    await step('it goes on, in each', () => goOnCounting(children, counted), (counts) => counts.join(', '))

    await step(`destroy ${children.length + 1}`, async () => {
        await Promise.all([sandbox, ...children].map((each) => each.destroy()))
        await isorun.deleteSnapshot(snapshot.id)
        expect('sandboxes left', (await isorun.list()).length, 0)
    }, () => 'and delete the snapshot')
}

const [ownStore] = process.argv.slice(2)
const store = ownStore ?? mkdtempSync(join(tmpdir(), 'isorun-demo-'))
const isorun = new Isorun({ store })
// Closing makes the call that is pending fail, and so the story end with its clean-up.
process.once('SIGINT', () => isorun.close())
try {
    console.log(`\n  ${bold('A sandbox is prepared, kept, lost, restored, broken, rolled back and forked')}\n`)
    await story(isorun)
    printTimings()
    console.log('\n  Go on: node clients/typescript/examples/undo.mjs, .../fork-variants.mjs, isorun-engine doctor\n')
} catch (error) {
    console.error(failed(`\n  The demo failed. ${error.message}`))
    process.exitCode = 1
} finally {
    await isorun.close()
    if (ownStore === undefined) rmSync(store, { recursive: true, force: true })
}
