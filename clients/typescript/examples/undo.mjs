// Lets a command do damage, looks at what it changed, and takes the sandbox back to where it was.
//
//   make build && ISORUN_ENGINE=/path/to/isorun-engine node examples/undo.mjs
import { Isorun } from 'isorun'

const isorun = new Isorun()
const sandbox = await isorun.create()
try {
    await sandbox.writeFile('/tmp/notes.txt', 'worth keeping\n')
    const snapshot = await sandbox.snapshot({ name: 'before' })

    const result = await sandbox.exec('rm /tmp/notes.txt && echo oops > /tmp/junk && exit 1')
    console.log(`the command ended with ${result.exitCode}; it changed:`)
    for (const change of await sandbox.diff({ against: snapshot.id })) console.log(`  ${change.kind} ${change.path}`)

    await sandbox.rollback(snapshot.id)
    console.log(`after the rollback: ${(await sandbox.readFile('/tmp/notes.txt')).trim()}`)
    await isorun.deleteSnapshot(snapshot.id)
} finally {
    await sandbox.destroy()
}
