declare global {
    // TypeScript 5.2 and @types/node declare the same member; equal declarations merge.
    interface SymbolConstructor {
        readonly asyncDispose: unique symbol
    }
}

/**
 * The key of the method that `await using` calls at the end of a scope.
 *
 * Node has the well-known symbol since 18.18 and 20.4. Older ones run only compiled code, whose helpers fall back
 * to this registered symbol.
 */
export const asyncDispose: typeof Symbol.asyncDispose =
    Symbol.asyncDispose ?? (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose)
