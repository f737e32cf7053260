import Glibc
import JSON
import Kernel

/// `isorun-engine doctor`: tells whether this machine can hold sandboxes, and what to do if it cannot.
public enum Doctor {
    /// Tries every feature that the engine wants and prints what was found to descriptor 1.
    ///
    /// Call it before the engine's namespaces are entered, as the user that the engine shall run as.
    ///
    /// - Parameters:
    ///   - json: print one line of JSON instead of a table:
    ///     `{"ok":true,"features":[{"name","required","status":"ok|limited|failed","detail","remedy"?}]}`.
    ///   - store: the store's folder, absolute; it need not exist, and nothing stays in it.
    /// - Returns: the process's exit code: 0 when sandboxes can run, 1 when not or when nothing could be printed.
    public static func run(json: Bool, store: String) -> Int32 {
        let table = FeatureTable.probe(store: store)
        let text = json ? report(table) : FeatureListing(table, isColored: isColorWanted()).text
        do throws(KernelError) {
            try write(text, to: 1)
        } catch {
            // Nobody is left to tell when standard error fails too.
            try? write("isorun-engine: \(error)\n", to: 2)
            return 1
        }
        return table.allowsSandboxes ? 0 : 1
    }

    static func report(_ table: FeatureTable) -> String {
        let features = table.features.map { feature in
            var members: [String: JSONValue] = [
                "name": .string(feature.name.rawValue),
                "required": .bool(feature.name.isRequired),
                "status": .string(feature.status.rawValue),
                "detail": .string(feature.detail),
            ]
            if let remedy = feature.remedy { members["remedy"] = .string(remedy) }
            return JSONValue.object(members)
        }
        let report: JSONValue = ["ok": .bool(table.allowsSandboxes), "features": .array(features)]
        return String(decoding: report.serialized(), as: UTF8.self) + "\n"
    }

    /// Colour is for terminals, and only where nobody asked to do without (no-color.org).
    private static func isColorWanted() -> Bool {
        // unsafe: the environment is not changed while this runs; only the first byte is looked at.
        let refusal = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
        return isatty(1) == 1 && !refusal
    }

    private static func write(_ text: String, to descriptor: Int32) throws(KernelError) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            done += try check("write", "the report") {
                // unsafe: the kernel reads what is left of the bytes.
                unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            }
        }
    }
}
