import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { EngineNotFoundError, Isorun } from 'isorun'
import { findEngine } from '../dist/transport/find-engine.js'

const folder = mkdtempSync(join(tmpdir(), 'isorun-find-'))
after(() => rmSync(folder, { recursive: true }))
const program = (name, mode = 0o755) => {
    const path = join(folder, name)
    writeFileSync(path, '#!/bin/sh\nexit 1\n')
    chmodSync(path, mode)
    return path
}
const installed = program('isorun-engine')
const other = program('other-engine')
const plain = program('plain-file', 0o644)
mkdirSync(join(folder, 'a-folder'))

test('the option wins over the variable and PATH', () => {
    assert.deepEqual(findEngine(other, { ISORUN_ENGINE: installed, PATH: folder }), { program: other, args: [] })
})

test('the option may be a whole command line', () => {
    assert.deepEqual(findEngine([other, '--store', '/s'], {}), { program: other, args: ['--store', '/s'] })
})

test('the variable wins over PATH', () => {
    assert.deepEqual(findEngine(undefined, { ISORUN_ENGINE: other, PATH: folder }), { program: other, args: [] })
})

test('PATH is the last resort; an empty variable does not count', () => {
    const expected = { program: installed, args: [] }
    assert.deepEqual(findEngine(undefined, { ISORUN_ENGINE: '', PATH: `/nonexistent::${folder}` }), expected)
})

test('a name without a slash is looked up in PATH', () => {
    assert.equal(findEngine('other-engine', { PATH: folder }).program, other)
})

for (const [what, option, environment, words] of [
    ['an absent program', '/nonexistent/engine', {}, /\/nonexistent\/engine .*option "engine"/],
    ['a file that is not executable', plain, {}, /not an executable file/],
    ['a folder', join(folder, 'a-folder'), {}, /not an executable file/],
    ['an empty command line', [], {}, /names no program/],
    ['a wrong variable, though PATH has an engine', undefined, { ISORUN_ENGINE: plain, PATH: folder }, /ISORUN_ENGINE/],
    ['nothing anywhere', undefined, { PATH: '/nonexistent' }, /not in PATH.*new Isorun\(\{ engine:.*ISORUN_ENGINE/],
]) {
    test(`${what} is an EngineNotFoundError that helps`, () => {
        assert.throws(() => findEngine(option, environment), (error) => {
            assert.ok(error instanceof EngineNotFoundError)
            assert.match(error.message, words)
            return true
        })
    })
}

test('calls reject with it, and connect tries again', async () => {
    const client = new Isorun({ engine: join(folder, 'later') })
    await assert.rejects(client.list(), EngineNotFoundError)
    program('later')
    await assert.rejects(client.list(), EngineNotFoundError)
    await assert.rejects(client.connect(), { kind: 'EngineExited', exitCode: 1 })
    await client.close()
})

test('a program that the kernel cannot start is one too', async () => {
    const path = join(folder, 'no-interpreter')
    writeFileSync(path, '#!/nonexistent/interpreter\n')
    chmodSync(path, 0o755)
    await assert.rejects(new Isorun({ engine: path }).connect(), EngineNotFoundError)
})
