import Kernel
import Store

/// An entry that is made under a name of its own and then takes its place at once.
enum TemporaryEntry {
    /// Calls `make` with a name that nothing in the folder has, then gives what it made the wanted name.
    ///
    /// - Parameter rule: what happens when the wanted name is taken.
    /// - Throws: what `make` throws, and what the rename does. Nothing is left behind then.
    static func publish<Value>(
        in folder: borrowing OwnedFD, as name: FilePath, ifTaken rule: OwnedFD.RenameRule, path: String,
        make: (FilePath) throws(SandboxError) -> Value
    ) throws(SandboxError) -> Value {
        try withName(in: folder) { (temporary) throws(SandboxError) in
            let value = try make(temporary)
            try atPath(path) { () throws(KernelError) in try folder.rename(temporary, to: name, ifTaken: rule) }
            return value
        }
    }

    /// Calls `body` with a name that nothing in the folder has; when it throws, what it made of that name is removed.
    static func withName<Value>(
        in folder: borrowing OwnedFD, _ body: (FilePath) throws(SandboxError) -> Value
    ) throws(SandboxError) -> Value {
        let name = FilePath(verbatim: ".isorun-" + RandomName.hex(bytes: 8))
        do throws(SandboxError) {
            return try body(name)
        } catch {
            // The first failure is the one to tell; a name that stays is a nuisance, no harm.
            _ = try? TreeRemover.remove(name, in: folder)
            throw error
        }
    }
}
