// A stand-in for the engine that does on demand what the real one does not: it dies, prints garbage, answers late
// or in odd pieces. It makes no sandboxes. `sandbox/exec` carries out the command as an order from SCRIPT,
// `fake/received` returns all messages that came in; the first argument is a way to misbehave from the start.
import { spawn } from 'node:child_process'
import { FrameDecoder } from '../../dist/transport/framing.js'

const mode = process.argv[2] ?? 'ordinary'
const received = []
const cancelHandlers = new Map()
let sandboxes = 0

const frame = (message) => {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
    return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body])
}
const send = (message) => process.stdout.write(frame(message))
const answer = (id, result) => send({ id, result })
const output = (token, stream, data) =>
    send({ method: 'exec/output', params: { token, stream, data, encoding: 'utf8' } })
const refuse = (id, code, message, data) => send({ id, error: { code, message, data } })

const sandbox = (fields = {}) => ({
    id: `run${String(++sandboxes).padStart(16, '0')}`, labels: {}, status: 'running', image: 'host', env: {}, cwd: '/',
    user: 'root', hostname: 'fake', vcpus: 1, memMiB: 1024, diskMiB: 4096, pidsMax: 1024, execsMax: 1024, network: { mode: 'none' },
    createMs: 1, createdAt: new Date().toISOString(), timeoutSec: 0, ...fields,
})
const snapshot = () => ({
    id: 'snap0000000000000001', labels: {}, sandboxId: 'run0000000000000001', image: 'host',
    createdAt: new Date().toISOString(), sizeBytes: 5, memoryBytes: 0, pauseMs: 1,
    runtime: { kept: 0, dropped: [], reset: [] },
})
const printed = (stdout) => ({
    exitCode: 0, stdout, stderr: '', durationMs: 1, timedOut: false, truncated: false,
})

const FILE = Buffer.from('début: a file that is read in several pieces ✓')

/** The orders that `sandbox/exec` takes: the command's first word, then its arguments. */
const SCRIPT = {
    echo: ({ id }, ...words) => answer(id, printed(words.join(' '))),
    sleep: ({ id }, ms) => setTimeout(() => answer(id, printed(ms)), Number(ms)),
    fail: ({ id }, code) => refuse(id, Number(code), `failure ${code}`, { kind: 'Made', detail: 1 }),
    never: ({ id }) => cancelHandlers.set(id, () => refuse(id, -32800, 'cancelled')),
    deaf: () => undefined,
    die: (_, how) => {
        process.stderr.write('first line\nfatal: told to die\n', () => {
            if (how.startsWith('SIG')) process.kill(process.pid, how)
            else process.exit(Number(how))
        })
    },
    // Its child keeps the pipes open after its own end.
    dieWithHeir: () => {
        spawn('sleep', ['30'], { stdio: ['ignore', 'inherit', 'inherit'] })
            .on('spawn', () => process.kill(process.pid, 'SIGKILL'))
    },
    dieInAnswer: ({ id }) => {
        process.stdout.write(frame({ id, result: printed('x') }).subarray(0, 40), () => process.exit(9))
    },
    garbage: () => process.stdout.write('Segmentation fault\n'),
    notJSON: () => process.stdout.write('Content-Length: 3\r\n\r\n{"}'),
    strayAnswer: () => answer(4711, null),
    refusedFrame: () => refuse(null, -32600, 'the body is too large'),
    emptyAnswer: ({ id }) => send({ id }),
    bytewise: async ({ id }) => {
        for (const byte of frame({ id, result: printed('bytewise ✓') })) {
            process.stdout.write(Buffer.of(byte))
            await new Promise(setImmediate)
        }
    },
    glued: ({ id }) => process.stdout.write(Buffer.concat([
        frame({ method: '$/progress', params: { token: 1, value: { kind: 'begin' } } }),
        frame({ id: 'from-engine', method: 'workspace/ask', params: {} }),
        frame({ id, result: printed('glued') }),
    ])),
    stream: ({ id, params }) => {
        const token = params.outputToken
        output(token, 'stdout', 'one ')
        output(token, 'stderr', 'oops')
        output('of somebody else', 'stdout', 'no')
        output(token, 'stdout', 'two')
        answer(id, { ...printed('one two'), stderr: 'oops' })
    },
    streamForEver: ({ id, params }) => {
        const timer = setInterval(() => output(params.outputToken, 'stdout', 'more'), 1)
        cancelHandlers.set(id, () => {
            clearInterval(timer)
            refuse(id, -32800, 'cancelled')
        })
    },
    stopReading: ({ id }, ms) => {
        process.stdin.pause()
        answer(id, printed(''))
        setTimeout(() => process.stdin.resume(), Number(ms))
    },
}

const METHODS = {
    initialize: ({ id }) => {
        if (mode === 'dies-at-start') return SCRIPT.die(undefined, '7')
        if (mode === 'silent') return
        answer(id, {
            serverInfo: { name: 'fake-engine', version: '0' }, protocolVersion: mode === 'newer' ? '2' : '1',
            capabilities: { network: ['none'] }, host: {},
        })
    },
    initialized: () => undefined,
    shutdown: ({ id }) => { if (mode !== 'stubborn') answer(id, null) },
    exit: () => { if (mode !== 'stubborn') process.exit(0) },
    '$/cancelRequest': ({ params }) => cancelHandlers.get(params.id)?.(),
    'sandbox/create': ({ id, params }) => {
        const made = () => answer(id, sandbox({ name: params.name }))
        if (params.name === 'late') cancelHandlers.set(id, made) // Cancelled too late: carried out all the same.
        else made()
    },
    'sandbox/restore': ({ id, params }) => answer(id, sandbox({ parent: { kind: 'snapshot', id: params.snapshotId } })),
    'sandbox/fork': ({ id, params }) => answer(id, {
        sandboxes: Array.from({ length: params.count }, (_, n) => sandbox({ name: params.children?.[n]?.name })),
        pauseMs: 1,
    }),
    'sandbox/get': ({ id, params }) => params.sandboxId === 'unknown'
        ? refuse(id, 1001, 'There is no sandbox unknown.', { kind: 'SandboxNotFound' })
        : answer(id, sandbox({ id: params.sandboxId })),
    'sandbox/list': ({ id }) => answer(id, { sandboxes: [
        sandbox({ id: 'run1' }), sandbox({ id: 'run2', status: 'hibernated' }),
        sandbox({ id: 'run3', status: 'destroyed' }), sandbox({ id: 'gone' }),
    ] }),
    'sandbox/stats': ({ id, params }) => {
        if (params.sandboxId === 'run2') return refuse(id, 1003, 'It is hibernated.', { kind: 'WrongState' })
        if (params.sandboxId === 'gone') return refuse(id, 1002, 'It is destroyed.', { kind: 'SandboxDestroyed' })
        answer(id, { cpuMs: 3, memBytes: 1, memPeakBytes: 2, pids: 1, diskBytes: 0 })
    },
    'sandbox/snapshot': ({ id, params }) => {
        const made = () => answer(id, snapshot())
        if (params.name === 'late') cancelHandlers.set(id, made)
        else made()
    },
    'snapshot/list': ({ id }) => answer(id, { snapshots: [snapshot()] }),
    'process/start': ({ id, params }) => {
        const process = { id: 'p1', pid: 7, command: params.command, startedAt: '', status: 'running', outputCursor: 0 }
        const started = () => answer(id, process)
        if (params.name === 'late') cancelHandlers.set(id, started)
        else started()
    },
    'process/attach': ({ id, params: { sandboxId, processId } }) => {
        const event = (method, params) => send({ method: `process/${method}`, params: { sandboxId, processId, ...params } })
        event('output', { stream: 'stdout', data: 'text', encoding: 'utf8', cursor: 4 })
        answer(id, { cursor: 0 })
        event('output', { stream: 'stderr', data: '/w==', encoding: 'base64', cursor: 5 })
        event('output', { processId: 'p2', stream: 'stdout', data: 'of somebody else', encoding: 'utf8', cursor: 9 })
        event('outputEnded', { stream: 'stdout', reason: 'eof' })
        event('outputEnded', { stream: 'stderr', reason: 'interrupted' })
    },
    'image/pull': ({ id, params }) => {
        const progress = (token, value) => send({ method: '$/progress', params: { token, value } })
        const pulled = () => answer(id, { ref: params.ref })
        progress('of somebody else', { kind: 'report', percentage: 50 })
        progress(params.workDoneToken ?? 'none', { kind: 'begin', title: 'image/pull' })
        progress(params.workDoneToken ?? 'none', { kind: 'report', percentage: 10 })
        progress(params.workDoneToken ?? 'none', { kind: 'report', percentage: 100 })
        if (params.ref === 'late') cancelHandlers.set(id, pulled)
        else pulled()
    },
    'sandbox/destroy': ({ id }) => answer(id, { status: 'destroyed', cpuMs: 5, memPeakBytes: 6, uptimeMs: 7 }),
    'sandbox/exec': (request) => {
        const [order, ...words] = request.params.command.split(' ')
        SCRIPT[order](request, ...words)
    },
    'fs/read': ({ id, params }) => {
        const piece = FILE.subarray(params.offset, params.offset + 1) // One byte at a time: inside of characters too.
        const eof = params.offset + piece.length === FILE.length
        answer(id, { data: piece.toString('base64'), encoding: 'base64', size: FILE.length, eof })
    },
    'fake/received': ({ id }) => answer(id, received),
}

if (mode === 'stubborn') process.on('SIGTERM', () => undefined)

const decoder = new FrameDecoder()
process.stdin.on('data', (chunk) => {
    for (const body of decoder.decode(chunk)) {
        const message = JSON.parse(body.toString())
        received.push(message)
        if (message.method === undefined) continue
        const method = METHODS[message.method] ?? (({ id }) => answer(id, null))
        method(message)
    }
})
process.stdin.on('end', () => { if (mode !== 'stubborn') process.exit(1) })
if (mode === 'stubborn') setInterval(() => undefined, 1000)
