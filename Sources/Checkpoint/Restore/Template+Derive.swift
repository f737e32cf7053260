import Glibc
import Kernel

extension Template {
    /// Builds a template by a fork of a former one of the same process, which is changed into what the process has become. Costs what
    /// has changed.
    ///
    /// - Parameters:
    ///   - runs: all pages that it holds at the end.
    ///   - source: a process that stands still and has the fresh ones, in the engine's numbering.
    static func derive(
        _ image: ProcessImage, _ runs: [PageRun], by inheritance: Inheritance, from source: Int32,
        files mappedFiles: MappedFiles
    ) throws(KernelError) -> Template {
        let parent = inheritance.template
        let (process, thread) = try parent.fork()
        try FaultPoint.templateDerived.pass()
        let remote = try RemoteProcess(process.pid)
        remote.site = parent.site
        let channel = try parent.replaceChannel(of: remote, on: thread)

        let space = AddressSpace(process: remote, thread: thread, layout: image.memory)
        let added = image.memory.areas.filter(\.isPrivate).flatMap { area in
            PageSet([area.range]).subtracting(PageSet(inheritance.kept)).runs.map { area.part($0.range) }
        }
        try space.clear(keeping: inheritance.kept)
        let files = try passFiles(of: image.memory, remote, thread, channel, mappedFiles)
        try space.map(added, files: files)
        let filled = image.memory.areas.filter { $0.holdsAny(of: inheritance.fresh) }
        try space.open(filled)
        try space.unprotect(inheritance.reprotected)
        try space.discard(inheritance.discarded)
        try space.advise(image.memory.lastingAreas, dense: [])
        try fill(remote, thread, inheritance.fresh, from: .process(source), channel)
        try space.protect(added + filled + inheritance.reprotected)
        if !inheritance.isDescribedAlike { try space.describe() }
        try space.setSignalActions(image.signalActions)
        try remote.call(.close_range, [DescriptorChannel.templateNumber + 1, UInt64(UInt32.max), 0], on: thread)
        try park(thread, at: parent.site)
        return Template(process: process, channel: channel, site: parent.site, runs: runs)
    }

    /// A child of the engine's like this one, held.
    private func fork() throws(KernelError) -> (WaitingProcess, TracedThread) {
        let beside: UInt64 = 0x8000  // CLONE_PARENT
        return try whileHeld { remote, holder throws(KernelError) in
            try holder.followMaking()
            // It was last told to make processes in a sandbox, which may be gone.
            var calls = CallBatch(remote, on: holder)
            try Self.makeProcesses(inNamespaceOf: getpid(), &calls)
            let handle = UInt64(try calls.finish()[0])
            var made: TracedThread?
            let process = try WaitingProcess { () throws(KernelError) in
                try calls.add(.close, [handle])
                try calls.add(.clone, [beside, 0, 0, 0, 0])
                try calls.finish()
                made = calls.made[0]
                return calls.made[0].id
            }
            guard let made else { preconditionFailure("a fork that did not throw has made a process") }
            return (process, made)
        }
    }

    /// Gives a fork of this template a channel of its own.
    private func replaceChannel(
        of remote: RemoteProcess, on thread: TracedThread
    ) throws(KernelError) -> DescriptorChannel {
        var calls = CallBatch(remote, on: thread)
        var number: UInt64 = 0
        let socket = try DescriptorSocket.connected { peer throws(KernelError) in
            number = UInt64(
                try channel.pass([peer.rawValue], in: &calls, through: DescriptorChannel.templateNumber)[0])
        }
        try calls.add(.dup3, [number, DescriptorChannel.templateNumber, 0])
        try calls.add(.close, [number])
        try calls.finish()
        return DescriptorChannel(socket)
    }
}
