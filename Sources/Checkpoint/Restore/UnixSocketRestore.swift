import Glibc
import Kernel

/// Makes unix sockets: those with a name that leads elsewhere by now first, so that the others get theirs for good.
struct UnixSocketRestore {
    private let sockets: SocketRestore
    /// The sandbox's root folder.
    private let root: Int32

    init(_ sockets: SocketRestore, root: borrowing OwnedFD) {
        self.sockets = sockets
        self.root = root.rawValue
    }

    private var sorted: [(Int, SocketImage)] { sockets.sorted.filter { $0.1.isUnix } }

    func makeAll() throws(KernelError) {
        for (index, image) in sorted { try connect(index, image) }
        for (index, image) in sorted where !sockets.isMade(index) { sockets.enter(try sockets.open(image), index) }
        let listeners = sorted.map(\.1).filter { $0.backlog != nil }
        let named = sorted.filter { $0.1.isBound && ($0.1.backlog != nil || needsName($0.1)) }.map { index, image in
            // One that was accepted from a listener that is there: the name in the file system is the listener's.
            let isAccepted = image.backlog == nil && listeners.contains { $0.name == image.name }
            return (index, isAccepted ? image.asLeftByListener : image)
        }
        for (index, image) in named where image.file?.isDeleted != false { try name(index, image) }
        for (index, image) in named where image.file?.isDeleted == false { try name(index, image) }
    }

    /// Whether its name was not given by a connection that it was accepted from.
    private func needsName(_ image: SocketImage) -> Bool {
        switch image.relation {
        case .pair: image.type == SocketType.datagram
        default: true
        }
    }

    // MARK: Connections

    private func connect(_ index: Int, _ image: SocketImage) throws(KernelError) {
        switch image.relation {
        case .pair(let peer):
            guard !sockets.isMade(index), let other = sockets.images[peer] else { return }
            if image.type == SocketType.datagram || !(image.isBound || other.isBound) {
                try makePair(index, image, peer)
            } else if image.isBound {
                try accept(index, image, from: peer, other)
            } else {
                try accept(peer, other, from: index, image)
            }
        case .closed where image.type != SocketType.datagram, .reset:
            try makePair(index, image, nil)
        case .closed, .none, .sendsTo, .waits: return
        }
    }

    /// - Parameter peer: nil when the other end is to be closed.
    private func makePair(_ index: Int, _ image: SocketImage, _ peer: Int?) throws(KernelError) {
        var ends: [SharedDescriptor] = []
        try sockets.act(as: image.peer) { process throws(KernelError) in
            let place = try process.remote.scratch()
            try process.call(.socketpair, [UInt64(AF_UNIX), UInt64(image.type), 0, place])
            for offset in [UInt64(0), 4] {
                let number = try process.remote.memory.read(Int32.self, at: place + offset)
                ends.append(SharedDescriptor(try process.duplicate(of: number)))
                try process.call(.close, [UInt64(number)])
            }
        }
        try SocketOptions.apply(image.options, to: ends[0].descriptor)
        sockets.enter(ends[0], index)
        if let peer, let other = sockets.images[peer] {
            try SocketOptions.apply(other.options, to: ends[1].descriptor)
            sockets.enter(ends[1], peer)
        } else {
            sockets.enter(partner: ends[1], of: index)
        }
    }

    /// Makes a connection through a listener that is gone afterwards.
    private func accept(
        _ index: Int, _ image: SocketImage, from peer: Int, _ other: SocketImage
    ) throws(KernelError) {
        let client = try sockets.open(other)
        if other.isBound { try bind(client, other) { () throws(KernelError) in } }
        let listener = SharedDescriptor(
            try OwnedFD.socket(domain: AF_UNIX, type: image.type, protocolNumber: image.protocolNumber))
        try bind(listener, image.asLeftByListener) { () throws(KernelError) in
            try listen(listener, 1, as: other.peer)
            try join(client, to: image.name.bytes, as: image.peer, from: image.bindingFolder)
            let accepted = SharedDescriptor(try listener.descriptor.accept())
            try SocketOptions.apply(image.options, to: accepted.descriptor)
            sockets.enter(accepted, index)
        }
        sockets.enter(client, peer)
    }

    private func listen(_ socket: SharedDescriptor, _ backlog: Int32, as peer: SocketPeerImage?) throws(KernelError) {
        try sockets.act(as: peer) { process throws(KernelError) in
            try sockets.lend(socket, to: process) { number throws(KernelError) in
                try process.call(.listen, [number, UInt64(UInt32(bitPattern: backlog))])
            }
        }
    }

    private func join(
        _ client: SharedDescriptor, to address: [UInt8], as peer: SocketPeerImage?, from folder: String?
    ) throws(KernelError) {
        try sockets.act(as: peer) { process throws(KernelError) in
            try sockets.lend(client, to: process) { number throws(KernelError) in
                try process.remote.call(
                    .chdir, [], passing: Array((folder ?? "/").utf8) + [0], at: 0, on: process.leader)
                try process.remote.call(
                    .connect, [number, UInt64(address.count)], passing: address, at: 1, on: process.leader)
            }
        }
    }

    // MARK: Names

    /// Gives a socket its name; meanwhile those that are connected to it by that name are.
    private func name(_ index: Int, _ image: SocketImage) throws(KernelError) {
        let socket = try sockets.socket(index)
        try bind(socket, image) { () throws(KernelError) in
            if let backlog = image.backlog { try listen(socket, backlog, as: image.peer) }
            for (sender, other) in sorted where other.relation == .sendsTo(index) || other.relation == .waits(at: index)
            {
                // A datagram socket that takes messages from one peer only would refuse the others' that lie there.
                if other.isBound, other.backlog == nil, case .waits = other.relation {
                    try bind(try sockets.socket(sender), other) { () throws(KernelError) in }
                }
                try join(try sockets.socket(sender), to: image.name.bytes, as: nil, from: image.bindingFolder)
            }
        }
    }

    /// - Parameter body: runs while the name leads to the socket.
    private func bind(
        _ socket: SharedDescriptor, _ image: SocketImage, _ body: () throws(KernelError) -> Void
    ) throws(KernelError) {
        guard image.hasPath, let file = image.file else {
            try socket.descriptor.bind(to: image.name.bytes)
            return try body()
        }
        let (folder, name) = try place(of: file.path)
        let aside = FilePath(verbatim: ".isorun-\(RandomName.hex(bytes: 6))")
        let isTaken = try folder.descriptor.moveIfPresent(name, to: aside)
        let process = sockets.process(nil)
        try sockets.lend(socket, to: process) { number throws(KernelError) in
            try process.remote.call(
                .chdir, [], passing: Array((image.bindingFolder ?? "/").utf8) + [0], at: 0, on: process.leader)
            try process.remote.call(
                .bind, [number, UInt64(image.name.bytes.count)], passing: image.name.bytes, at: 1, on: process.leader)
        }
        try body()
        if file.isDeleted {
            try folder.descriptor.removeFile(name)
            if isTaken { try folder.descriptor.rename(aside, to: name) }
        } else {
            if isTaken { try folder.descriptor.removeFile(aside) }
            try folder.descriptor.setOwner(of: name, owner: file.owner, group: file.group)
            try folder.descriptor.setPermissions(of: name, file.permissions)
        }
    }

    private func place(of path: String) throws(KernelError) -> (SharedDescriptor, FilePath) {
        let parts = path.split(separator: "/")
        let folder = parts.dropLast().joined(separator: "/")
        let root = try OwnedFD.open(FilePath(verbatim: "/proc/self/fd/\(root)"), [.directory, .pathOnly])
        let opened = try root.open(
            try FilePath(validating: folder.isEmpty ? "." : folder), [.directory, .pathOnly], resolving: .inRoot)
        return (SharedDescriptor(opened), try FilePath(validating: String(parts.last ?? ".")))
    }

    // MARK: Datagrams

    /// Sends a datagram from a socket with the sender's name.
    func send(_ message: SocketMessageImage, to index: Int, _ image: SocketImage) throws(KernelError) {
        if case .pair(let peer) = image.relation {
            return try sockets.send(message, through: try sockets.socket(peer))
        }
        let sender: SharedDescriptor
        if message.sender.bytes.count > 2,
            let known = sorted.first(where: { $0.1.name == message.sender && $0.1.type == SocketType.datagram })
        {
            sender = try sockets.socket(known.0)
        } else if let known = sorted.first(where: {
            $0.1.relation == .sendsTo(index) && !$0.1.isBound && message.sender.bytes.count <= 2
        }) {
            return try sockets.send(message, through: try sockets.socket(known.0))
        } else {
            sender = SharedDescriptor(try OwnedFD.socket(domain: AF_UNIX, type: SocketType.datagram, protocolNumber: 0))
        }
        let process = sockets.process(message.process)
        try sockets.send(
            SocketMessageImage(content: message.content, sender: message.sender, process: process.image.pid),
            through: sender, to: image.name.bytes)
    }
}

extension SocketImage {
    /// A socket that was accepted shares its file with the listener, which takes it over.
    fileprivate var asLeftByListener: SocketImage {
        var image = self
        image.file?.isDeleted = true
        return image
    }
}

extension OwnedFD {
    /// - Returns: whether there was such an entry.
    fileprivate func moveIfPresent(_ name: FilePath, to other: FilePath) throws(KernelError) -> Bool {
        do throws(KernelError) {
            try rename(name, to: other)
            return true
        } catch let error where error.errno == .noSuchFile {
            return false
        }
    }
}

extension RemoteProcess {
    /// A place for what a call writes.
    func scratch() throws(KernelError) -> UInt64 {
        guard let site else { preconditionFailure("a call site is installed before calls are made") }
        return site.scratch
    }
}

extension RestoringProcess {
    /// The engine's own descriptor for one of the process's.
    func duplicate(of number: Int32) throws(KernelError) -> OwnedFD {
        try PidFD(opening: remote.pid).duplicateDescriptor(number)
    }
}
