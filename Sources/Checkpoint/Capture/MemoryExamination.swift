import Kernel

/// Finds out how a held process's memory is laid out, from /proc alone.
struct MemoryExamination {
    let process: Int32
    let context: CaptureContext

    /// The layout without the bounds that only calls in the process tell.
    func layout() throws(ResourceError) -> MemoryLayoutImage {
        var layout = MemoryLayoutImage()
        var files: [String: Int] = [:]
        func index(of path: String) throws(ResourceError) -> Int {
            if let known = files[path] { return known }
            let index = layout.files.count
            layout.files.append(path)
            files[path] = index
            if try kernel({ () throws(KernelError) in try context.isOwnFile(path) }) { layout.ownFiles.insert(index) }
            return index
        }
        for area in try kernel({ () throws(KernelError) in try MemoryMap.read(of: process) }) {
            // The page of old-style system calls is the same in every process and cannot be moved.
            if area.name == "[vsyscall]" { continue }
            layout.areas.append(
                AreaImage(
                    start: area.start, end: area.end, protection: area.protection, isShared: area.isShared,
                    content: try content(of: area, index), offset: area.offset))
        }
        let executable = try kernel { () throws(KernelError) in try FileLink.target(of: "/proc/\(process)/exe") }
        if !executable.hasSuffix(" (deleted)") { layout.executable = try index(of: executable) }
        return layout
    }

    private func content(
        of area: MemoryArea, _ fileIndex: (String) throws(ResourceError) -> Int
    ) throws(ResourceError) -> AreaImage.Content {
        if area.isKernels { return .kernels(area.name) }
        let isDeleted = area.name.hasSuffix(" (deleted)")
        if area.isShared { return try sharedContent(of: area, isDeleted: isDeleted) }
        // A private mapping of /dev/zero is anonymous memory by another name (null(4)).
        if area.inode == 0 || area.name == "/dev/zero" { return .anonymous }
        if isDeleted { return .deletedFile }
        return .file(try fileIndex(area.name))
    }

    private func sharedContent(of area: MemoryArea, isDeleted: Bool) throws(ResourceError) -> AreaImage.Content {
        let name = isDeleted ? String(area.name.dropLast(10)) : area.name
        if name == "/dev/zero" && isDeleted { return .shared(context.sharedArea(area, kind: .anonymous)) }
        if name.hasPrefix("/memfd:") {
            return .shared(context.sharedArea(area, kind: .memoryFile(name: String(name.dropFirst(7)), seals: 0)))
        }
        // By its key, with its number for an inode (ipc/shm.c).
        if name.hasPrefix("/SYSV") && isDeleted { return .segment(Int32(truncatingIfNeeded: area.inode)) }
        if !name.hasPrefix("/") { throw .unsupported("it has \(area.name) mapped") }
        if isDeleted {
            let file = DeletedFileName(path: name, inode: area.inode)
            let kind = context.deletedFile(named: file).map(SharedMemoryImage.Kind.deletedFile)
            return .shared(context.sharedArea(area, kind: kind ?? .deletedMapping(file)))
        }
        if name.hasPrefix("/dev/") && !name.hasPrefix("/dev/shm/") {
            throw .unsupported("it has the device \(name) mapped")
        }
        return .shared(context.sharedArea(area, kind: .file(name)))
    }
}

extension CaptureContext {
    /// The shared memory that an area shows, entered once. Content that no descriptor leads to is read later, from an area.
    func sharedArea(_ area: MemoryArea, kind: SharedMemoryImage.Kind) -> Int {
        let numbers = area.device.split(separator: ":").compactMap { UInt64($0, radix: 16) }
        // As makedev(3) puts it together; the numbers of such devices are small.
        let device = numbers.count == 2 ? numbers[0] << 8 | numbers[1] : 0
        let identity = FileIdentity(device: device, inode: area.inode)
        let end = area.offset + area.end - area.start
        if let known = sharedMemory[identity] {
            tree.sharedMemory[known].size = max(tree.sharedMemory[known].size, end)
            return known
        }
        let index = tree.sharedMemory.count
        tree.sharedMemory.append(SharedMemoryImage(kind: kind, size: end))
        sharedMemory[identity] = index
        switch kind {
        case .anonymous, .memoryFile, .deletedMapping: unreadSharedMemory[index] = PageSet()
        // Its content is kept as a file's.
        case .file, .deletedFile: break
        }
        return index
    }
}
