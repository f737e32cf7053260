import Kernel

/// The table for people: a line for each feature, then what to do about those that are not as they should be.
struct FeatureListing {
    let text: String

    init(_ table: FeatureTable, isColored: Bool) {
        let painter = Painter(isActive: isColored)
        let width = table.features.map(\.name.rawValue.count).max() ?? 0
        var lines = table.features.map { feature in
            let name = feature.name.rawValue.padded(to: width)
            let need = feature.name.isRequired ? "required" : "optional"
            return "\(painter.paint(feature.status))  \(name)  \(need)  \(feature.detail)"
        }
        for remedy in Self.distinct(table.features.compactMap(\.remedy)) {
            let served = table.features.filter { $0.remedy == remedy }
            lines += [""] + served.map { "\($0.name.rawValue), for \($0.name.purpose):" }
            lines += remedy.split(separator: "\n").map { "    \($0)" }
        }
        lines += ["", Self.verdict(table)]
        text = lines.joined(separator: "\n") + "\n"
    }

    private static func distinct(_ remedies: [String]) -> [String] {
        var seen: Set<String> = []
        return remedies.filter { seen.insert($0).inserted }
    }

    private static func verdict(_ table: FeatureTable) -> String {
        if !table.allowsSandboxes { return "Sandboxes cannot run here: see what is required and failed." }
        let isComplete = table.features.allSatisfy { $0.status == .ok }
        return isComplete ? "Sandboxes can run here." : "Sandboxes can run here, with what is named above missing."
    }
}

/// The colours of a terminal (ECMA-48, SGR).
private struct Painter {
    let isActive: Bool

    func paint(_ status: Feature.Status) -> String {
        let word = status.rawValue.padded(to: "limited".count)
        if !isActive { return word }
        let color =
            switch status {
            case .ok: 32
            case .limited: 33
            case .failed: 31
            }
        return "\u{1b}[\(color)m\(word)\u{1b}[0m"
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
