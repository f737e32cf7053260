import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { EngineNotFoundError } from '../errors'

export const ENGINE_PROGRAM = 'isorun-engine'
export const ENGINE_VARIABLE = 'ISORUN_ENGINE'

type Environment = Readonly<Record<string, string | undefined>>

export interface EngineCommand {
    readonly program: string
    readonly args: readonly string[]
}

/**
 * Decides which program is the engine: the option, else `ISORUN_ENGINE`, else `isorun-engine` in `PATH`.
 * A choice that cannot be run is an error and never replaced by the next one.
 * @throws EngineNotFoundError, its message naming what was tried and how to choose another.
 */
export function findEngine(option: string | readonly string[] | undefined, environment: Environment): EngineCommand {
    if (option !== undefined) {
        const [program, ...args] = typeof option === 'string' ? [option] : option
        if (program === undefined || program === '') {
            throw new EngineNotFoundError('The option "engine" names no program.')
        }
        return { program: resolveProgram(program, 'the option "engine"', environment), args }
    }
    const named = environment[ENGINE_VARIABLE]
    if (named !== undefined && named !== '') {
        return { program: resolveProgram(named, `the variable ${ENGINE_VARIABLE}`, environment), args: [] }
    }
    return { program: resolveProgram(ENGINE_PROGRAM, 'no option, no variable', environment), args: [] }
}

function resolveProgram(program: string, chosenBy: string, environment: Environment): string {
    if (program.includes('/')) {
        if (isExecutableFile(program)) return program
        throw new EngineNotFoundError(`${program} (chosen by ${chosenBy}) is not an executable file.`)
    }
    const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
    const found = folders.map((folder) => join(folder, program)).find(isExecutableFile)
    if (found !== undefined) return found
    throw new EngineNotFoundError(
        `${program} (chosen by ${chosenBy}) is not in PATH. Install the engine, or say where it is: ` +
            `new Isorun({ engine: '/path/to/${ENGINE_PROGRAM}' }), or set ${ENGINE_VARIABLE}.`,
    )
}

function isExecutableFile(path: string): boolean {
    try {
        accessSync(path, constants.X_OK)
        return statSync(path).isFile()
    } catch {
        return false // Absent and forbidden come to the same: it cannot be run.
    }
}
