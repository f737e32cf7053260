// Prepares a sandbox once, then tries five variants of an experiment in parallel, each in a copy of its own.
//
//   make build && ISORUN_ENGINE=/path/to/isorun-engine node examples/fork-variants.mjs
import { Isorun } from 'isorun'

const isorun = new Isorun()
const timed = async (what, work) => {
    const started = performance.now()
    const result = await work()
    console.log(`${what.padEnd(24)} ${(performance.now() - started).toFixed(1).padStart(7)} ms`)
    return result
}

const parent = await timed('create', () => isorun.create())
await timed('prepare', () => parent.writeFile('/tmp/measure.py', `
import sys
step = int(sys.argv[1])
print(sum(range(0, 1_000_000, step)))
`))
const children = await timed('fork into 5', () => parent.fork(5))
try {
    const results = await timed('5 variants at once', () => Promise.all(
        children.map((child, i) => child.exec(`python3 /tmp/measure.py ${i + 1}`, 60))))
    results.forEach((result, i) => console.log(`  step ${i + 1}: ${result.stdout.trim() || result.stderr.trim()}`))
} finally {
    await Promise.all(children.map((child) => child.destroy()))
    await parent.destroy()
}
// No close(): a client at rest does not keep the program alive.
