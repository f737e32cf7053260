import Kernel

/// A System V message queue with what lies in it.
struct MessageQueueImage: Codable, Sendable {
    var identity: SystemVIdentity
    /// In bytes.
    var capacity: UInt64
    /// The oldest first, each with its type before it.
    var messages: [Blob]
}

enum MessageQueues {
    static func capture() throws(KernelError) -> [MessageQueueImage] {
        let (bytesColumn, countColumn, ownerColumn) = (3, 4, 7)
        var images: [MessageQueueImage] = []
        for row in try SystemV.rows(of: .messages) {
            let identity = try row.identity(ownerColumn: ownerColumn)
            // No message is larger than all of them.
            let limit = Int(try row.number(bytesColumn))
            var messages: [Blob] = []
            for number in 0..<Int(try row.number(countColumn)) {
                messages.append(Blob(try SystemV.message(number, ofQueue: identity.id, upTo: limit)))
            }
            images.append(
                MessageQueueImage(
                    identity: identity, capacity: try SystemV.capacity(ofQueue: identity.id), messages: messages))
        }
        return images
    }

    static func make(_ image: MessageQueueImage) throws(KernelError) {
        let identity = image.identity
        try SystemV.make(.messages, number: identity.id) { () throws(KernelError) in
            try SystemV.makeQueue(key: identity.key, mode: identity.mode)
        }
        try SystemV.setQueue(
            identity.id, owner: identity.owner, group: identity.group, mode: identity.mode, capacity: image.capacity)
        for message in image.messages { try SystemV.send(message.bytes, toQueue: identity.id) }
    }
}
