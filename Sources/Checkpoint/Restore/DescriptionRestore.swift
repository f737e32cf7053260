import CKernel
import Kernel

extension RestoreContext {
    /// The open file description with an index, made once for everyone who has it: a descriptor of the engine's, open for as long as
    /// the context is there.
    func descriptor(of index: Int) throws(KernelError) -> Int32 {
        if let known = descriptions[index] { return known.descriptor.rawValue }
        let image = tree.descriptions[index]
        let file = try open(image)
        if case .file = image.kind {
            // It was opened with its flags.
        } else {
            let settable: Int32 = 0o2000 | 0o4000 | 0o40000  // append, non-blocking, direct
            try file.setStatusFlags(image.flags & settable)
        }
        if let lock = image.lock { try FileLocks.apply(lock, to: file) }
        let shared = SharedDescriptor(file)
        descriptions[index] = shared
        return shared.descriptor.rawValue
    }

    private func open(_ image: DescriptionImage) throws(KernelError) -> OwnedFD {
        switch image.kind {
        case .file(let file): return try FileDescriptors.open(file, flags: image.flags, self)
        case .pipe(let end): return try Pipes.open(end, flags: image.flags, self)
        case .engine(let end): return try EngineEnds.open(end, flags: image.flags, self)
        case .terminal(let side): return try openTerminal(side, flags: image.flags)
        case .eventCounter(let counter): return try EventCounters.open(counter)
        case .timer(let timer): return try TimerDescriptors.open(timer)
        case .signals(let signals): return try SignalDescriptors.open(signals)
        case .pollSet: return try PollSets.open()
        case .watches(let watches): return try Watches.open(watches, self)
        case .memoryFile(let file): return try MemoryFiles.open(file, flags: image.flags, self)
        case .socket: preconditionFailure("sockets are made before anyone asks for them")
        case .processHandle(let handle):
            let pid = pids[handle.pid] ?? initPid
            return try PidFD(opening: pid).duplicateDescriptor()
        }
    }

    private func openTerminal(_ side: TerminalImage, flags: Int32) throws(KernelError) -> OwnedFD {
        try withTerminal(side.terminal) { master throws(KernelError) in
            side.isMaster
                ? try master.duplicate()
                : try Terminals.openSlave(tree.terminals[side.terminal].number, flags: flags, in: root)
        }
    }
}
