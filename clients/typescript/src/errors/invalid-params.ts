import { InvalidParamsError } from './engine-errors'

/** What the engine would answer, for what it is never asked. */
export function invalidParams(message: string): InvalidParamsError {
    return new InvalidParamsError({ code: InvalidParamsError.rule.code, message })
}
