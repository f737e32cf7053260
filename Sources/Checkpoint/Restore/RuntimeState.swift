import Kernel

/// The captured processes of a sandbox, to be restored any number of times.
public final class RuntimeState: Sendable {
    let tree: TreeImage
    private let pages: Promise<Result<[Int32: ProcessPages], CheckpointError>>

    init(_ tree: TreeImage, _ pages: Promise<Result<[Int32: ProcessPages], CheckpointError>>) {
        self.tree = tree
        self.pages = pages
    }

    /// How many processes are kept, zombies left out.
    public var processCount: Int { tree.processes.count { $0.zombieStatus == nil } }

    /// Waits until the memory lies in templates; what it takes there, in bytes.
    public func memoryBytes() throws(CheckpointError) -> UInt64 {
        try pages.wait().get().values.reduce(0) { $0 + $1.template.runs.reduce(0) { $0 + $1.length } }
    }

    /// Brings the processes to life in a sandbox whose files are those of the capture. They run when the call returns.
    ///
    /// On failure none of them has run, and none is left.
    public func restore(into target: RestoreTarget) throws(CheckpointError) -> RestoredRuntime {
        let pages = try pages.wait().get()
        let tree = tree
        return try Thread.run(name: "restore") { () throws(CheckpointError) in
            do throws(KernelError) {
                return try TreeRestore(tree, pages, target).perform()
            } catch {
                throw .kernel(error)
            }
        }
    }
}

/// What a restore gives to whoever asked for it.
public struct RestoredRuntime: Sendable {
    /// The engine's ends of pipes and terminals, by the names that the capture was given.
    public let engineEnds: [String: RestoredEnd]
    /// From the processes' numbers inside to the engine's.
    public let pids: [Int32: Int32]
}
