import Checkpoint
import InitProtocol
import Kernel

/// What every sandbox of an engine is made with.
final class SandboxIngredients: Sendable {
    let loop: EventLoop
    let ids: IDMapping
    let controlGroups: ControlGroups
    let initExecutable: OwnedFD
    let templateProgram: TemplateProgram
    private let compiledFilter = Promise<Result<[UInt8], SandboxError>>()

    init(
        loop: EventLoop, ids: IDMapping, controlGroups: ControlGroups, initImage: [UInt8],
        templateImage: [UInt8]
    ) throws(SandboxError) {
        self.loop = loop
        self.ids = ids
        self.controlGroups = controlGroups
        do throws(KernelError) {
            initExecutable = try MemoryExecutable.make(named: "isorun-init", bytes: initImage)
            templateProgram = try TemplateProgram(image: templateImage)
            // libseccomp takes a quarter of the engine's start for it. The first sandbox waits for it, nobody else.
            try Thread.start(name: "filter") { [compiledFilter] in
                do throws(SandboxError) {
                    compiledFilter.fulfil(.success(try SeccompPolicy.compile()))
                } catch {
                    compiledFilter.fulfil(.failure(error))
                }
            }
        } catch {
            throw .kernel(error)
        }
    }

    /// Seccomp instructions that every process of a sandbox is subject to.
    func filter() throws(SandboxError) -> [UInt8] { try compiledFilter.wait().get() }

    /// The payload of isorun-init's set-up request.
    fileprivate func setupPayload() throws(SandboxError) -> [UInt8] {
        let filter = try filter()
        let setup = isorun_setup(
            capabilities: Capabilities.mask,
            open_files: 65_536,
            // Group 5 is `tty` in every distribution; pseudo-terminals belong to it.
            terminal_group: ids == .single ? UInt32.max : 5,
            filter_length: UInt32(filter.count / 8))
        return rawBytes(of: setup) + filter
    }
}

/// A ready set of namespaces: an isorun-init that has built its mounts, given up its privileges, and waits for a root
/// filesystem and for programs to start.
final class NamespaceSet: Sendable {
    /// PID 1 of the sandbox.
    let process: InitProcess
    let channel: InitChannel
    let controlGroup: ControlGroup

    /// Clones, maps ids, and waits until isorun-init says that it is ready. Blocks for a few milliseconds.
    ///
    /// On failure nothing is left behind.
    init(_ ingredients: SandboxIngredients) throws(SandboxError) {
        let payload = try ingredients.setupPayload()
        let group = try ingredients.controlGroups.makeGroup()
        var process: InitProcess?
        do throws(KernelError) {
            let socket = try DescriptorSocket.connected { peer throws(KernelError) in
                process = try InitProcess(
                    executable: ingredients.initExecutable, passing: peer, name: "isorun-init",
                    in: group.birthplaces)
            }
            guard let process else { preconditionFailure("a clone that did not throw has made a process") }
            try process.mapIdentity(ids: ingredients.ids.idsPerSandbox)
            try process.release()

            let outcome = Promise<InitChannel.Refusal?>()
            let channel = try InitChannel(socket: socket, loop: ingredients.loop)
            try channel.setUp(payload) { outcome.fulfil($0) }
            if let refusal = outcome.wait() {
                throw KernelError("isorun-init", refusal.step.rawValue, errno: refusal.errno)
            }
            process.discardStack()
            self.process = process
            self.channel = channel
            controlGroup = group
        } catch {
            process?.killAndReap()
            group.remove()
            throw .kernel(error)
        }
    }

    /// Kills every process of the set and waits until they are gone; the mounts and namespaces go with them.
    func destroy() {
        process.killAndReap()
        controlGroup.remove()
    }
}
