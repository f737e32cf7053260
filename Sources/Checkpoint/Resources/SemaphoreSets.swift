import Kernel

/// A set of System V semaphores. What processes would undo when they end (semop(2), SEM_UNDO) the kernel does not tell.
struct SemaphoreSetImage: Codable, Sendable {
    var identity: SystemVIdentity
    var values: [UInt16]
}

enum SemaphoreSets {
    static func capture() throws(KernelError) -> [SemaphoreSetImage] {
        let (countColumn, ownerColumn) = (3, 4)
        var images: [SemaphoreSetImage] = []
        for row in try SystemV.rows(of: .semaphores) {
            let identity = try row.identity(ownerColumn: ownerColumn)
            let values = try SystemV.semaphoreValues(identity.id, count: Int(try row.number(countColumn)))
            images.append(SemaphoreSetImage(identity: identity, values: values))
        }
        return images
    }

    static func make(_ image: SemaphoreSetImage) throws(KernelError) {
        let identity = image.identity
        try SystemV.make(.semaphores, number: identity.id) { () throws(KernelError) in
            try SystemV.makeSemaphores(key: identity.key, count: image.values.count, mode: identity.mode)
        }
        try SystemV.setSemaphoreValues(identity.id, image.values)
        try SystemV.setSemaphores(identity.id, owner: identity.owner, group: identity.group, mode: identity.mode)
    }
}
