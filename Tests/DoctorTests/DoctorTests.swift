import Glibc
import JSON
import Kernel
import Testing

@testable import Doctor

@Suite struct DoctorTests {
    private static let table = FeatureTable.probe(store: "/tmp/isorun-doctor-test-store")

    @Test func everyNameHasOneRowAndWhatIsWrongHasARemedy() {
        #expect(Self.table.features.map(\.name) == FeatureName.allCases)
        for feature in Self.table.features {
            #expect(!feature.detail.isEmpty)
            #expect((feature.remedy != nil) == (feature.status != .ok))
        }
    }

    @Test func reportIsJSONThatSaysTheSame() throws {
        let report = try JSONValue.parse(Array(Doctor.report(Self.table).utf8))
        #expect(report["ok"]?.boolValue == Self.table.allowsSandboxes)
        let rows = try #require(report["features"]?.arrayValue)
        #expect(rows.count == FeatureName.allCases.count)
        for (row, feature) in zip(rows, Self.table.features) {
            #expect(row["name"]?.stringValue == feature.name.rawValue)
            #expect(row["required"]?.boolValue == feature.name.isRequired)
            #expect(row["status"]?.stringValue == feature.status.rawValue)
            #expect(row["detail"]?.stringValue == feature.detail)
            #expect(row["remedy"]?.stringValue == feature.remedy)
            #expect(Set(row.objectValue?.keys.map { $0 } ?? []).subtracting(["remedy"]).count == 4)
        }
    }

    @Test func listingIsAlignedAndColoredOnlyOnDemand() throws {
        let plain = FeatureListing(Self.table, isColored: false).text
        #expect(!plain.contains("\u{1b}"))
        let rows = plain.split(separator: "\n").prefix(FeatureName.allCases.count)
        let columns = Set(rows.map { $0.firstRange(of: #/ (required|optional)  /#)?.lowerBound.utf16Offset(in: $0) })
        #expect(columns.count == 1)
        #expect(FeatureListing(Self.table, isColored: true).text.contains("\u{1b}[32mok"))
        for remedy in Self.table.features.compactMap(\.remedy) {
            for line in remedy.split(separator: "\n") { #expect(plain.contains("    \(line)\n")) }
        }
    }

    @Test func aStoreThatCannotBeMadeFailsAndAllElseIsTried() {
        let table = FeatureTable.probe(store: "/proc/isorun")
        #expect(table[.storeFolder].status == .failed)
        #expect(table[.storeOverlay].status == .failed)
        #expect(!table.allowsSandboxes)
        #expect(table[.overlay] == Self.table[.overlay])
    }

    @Test func nothingIsLeftBehind() throws {
        let folder = "/tmp/isorun-doctor-test-\(getpid())"
        try check("mkdir", folder) { unsafe mkdir(folder, 0o700) }
        let table = FeatureTable.probe(store: folder + "/some/store")
        #expect(table[.storeFolder].status == .ok)
        // It fails unless the folder is as empty as before.
        try check("rmdir", folder) { unsafe rmdir(folder) }
    }
}
