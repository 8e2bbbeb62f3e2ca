// Made from the OpenAPI document by `make page`.

export interface paths {
    "/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["AuditGetAudit"];
        put?: never;
        post: operations["AuditRunAudit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit-events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["AuditEventsListAuditEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/batches/{batch_id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["BatchesBatchIdReplayReplayBatch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/comparison": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ComparisonCompare"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/comparison/ties.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["CompareTies"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/comparison/users.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["CompareUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/days": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["DaysGetDays"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/edges": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["EdgesGetEdge"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/edges/days": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["EdgesDaysGetEdgeDays"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/edges/{source}/{target}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["EdgesSourceTargetHistoryGetHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/edges/{source}/{target}/lines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["EdgesSourceTargetLinesGetLines"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/erasures/{erasure_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ErasuresErasureIdGetErasure"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/edges.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportEdgesCsv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/edges.jsonl": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportEdgesJsonl"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/edges.parquet": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportEdgesParquet"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/gephi.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportGephiCsv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/graph.gexf": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportGraphGexf"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/graph.graphml": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportGraphGraphml"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/neo4j.zip": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportNeo4JZip"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/export/nodes.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["ExportNodesCsv"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/graphs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["GraphsListGraphs"];
        put?: never;
        post: operations["GraphsCreateGraph"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/graphs/{graph}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["GraphsGetGraph"];
        put?: never;
        post?: never;
        delete: operations["GraphsDropGraph"];
        options?: never;
        head?: never;
        patch: operations["GraphsChangeGraph"];
        trace?: never;
    };
    "/health/cache": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthCacheCache"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/decay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthDecayListDecay"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/graphs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthGraphsListConditions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthLiveLive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/processes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthProcessesListProcesses"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/queues": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthQueuesListQueues"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["HealthReadyReady"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["KeysListKeys"];
        put?: never;
        post: operations["KeysMakeKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys/self": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["KeysSelfGetSelf"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys/{key_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["KeysKeyIdGetKey"];
        put?: never;
        post?: never;
        delete: operations["KeysKeyIdRevokeKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/keys/{key_id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["KeysKeyIdRotateRotateKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["MetricsMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/network": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["NetworkGetNetwork"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/network/histogram": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["NetworkHistogramGetHistogram"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/paths": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["PathsGetPath"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rankings/edges": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["RankingsEdgesRankEdges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rankings/mentioned": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["RankingsMentionedRankReceived"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rankings/mentioning": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["RankingsMentioningRankMade"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rankings/trending": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["RankingsTrendingRankTrending"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["SettingsGetSettings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/upload_csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadCsvReceiveUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsListUploads"];
        put?: never;
        post: operations["UploadsReceiveUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/bulk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadsBulkChangeMany"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/counts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsCountsCountUploads"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadsPreviewPreviewUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsUploadIdGetUpload"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch: operations["UploadsUploadIdChangeUpload"];
        trace?: never;
    };
    "/uploads/{upload_id}/batches": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsUploadIdBatchesListBatches"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadsUploadIdCancelCancelUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsUploadIdEventsStreamEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/rejects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsUploadIdRejectsListRejects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/rejects.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UploadsUploadIdRejectsCsvDownloadRejects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadsUploadIdReplayReplayUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/uploads/{upload_id}/retract": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UploadsUploadIdRetractRetractUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersListUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleGetUser"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/days": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleDaysGetUserDays"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/ego": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleEgoGetEgo"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/forget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["UsersHandleForgetForgetUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/incoming": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleIncomingListMentions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/outgoing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleOutgoingListMentions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{handle}/reciprocal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["UsersHandleReciprocalListReciprocal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** Ailing */
        Ailing: {
            ailment: string;
            graph: string;
        };
        /** Applied */
        Applied: {
            median_seconds: number | null;
            p99_seconds: number | null;
            uploads: number;
        };
        /** Audit */
        Audit: {
            batches_left_counted: number;
            batches_unlike_their_deltas: number;
            batches_unlike_their_ids: number;
            batches_with_lost_rejects: number;
            edges_archived_and_not: number;
            edges_without_users: number;
            mentions_in_archive: number;
            mentions_in_edges: number;
            mentions_in_ledger: number;
            mentions_in_summaries: number;
            mentions_pending: number;
            mentions_unsummarized: number;
            orphaned_deltas: number;
            received_unlike_made: number;
            uploads_finished_early: number;
            uploads_left_unfinished: number;
            uploads_missing_batches: number;
            uploads_unlike_their_batches: number;
            weights?: components["schemas"]["Weights"] | null;
        };
        /** AuditEvent */
        AuditEvent: {
            action: string;
            address: string | null;
            /** Format: date-time */
            at: string;
            detail: {
                [key: string]: unknown;
            } | null;
            id: number;
            key_id: string | null;
            /** @enum {string} */
            outcome: "done" | "denied";
            owner: string | null;
            process: string;
            subject: string | null;
        };
        /** AuditEvents */
        AuditEvents: {
            events: components["schemas"]["AuditEvent"][];
            next: string | null;
        };
        /** AuditRun */
        AuditRun: {
            /** Format: date-time */
            asked_at: string;
            asked_by: components["schemas"]["Sender"];
            began_at: string | null;
            error: components["schemas"]["Problem"] | null;
            finished_at: string | null;
            process: string | null;
            result: components["schemas"]["Result"] | null;
            sample: number;
            state: components["schemas"]["AuditState"];
        };
        /**
         * AuditState
         * @enum {string}
         */
        AuditState: "waiting" | "running" | "done" | "failed";
        /** Audits */
        Audits: {
            last: components["schemas"]["AuditRun"] | null;
            unfinished: components["schemas"]["AuditRun"] | null;
        };
        /** Batch */
        Batch: {
            applied_at: string | null;
            attempts: number;
            claimed_until: string | null;
            counted_at: string | null;
            edges: number | null;
            error: components["schemas"]["Problem"] | null;
            first_line: number;
            id: number;
            mentions: number | null;
            next_attempt_at: string | null;
            ordinal: number;
            profile: string | null;
            profile_version: number | null;
            rejects_by_code?: {
                [key: string]: number;
            } | null;
            rejects_kept?: number | null;
            rows_accepted: number | null;
            rows_received: number | null;
            rows_rejected: number | null;
            rows_repeated: number | null;
            size_bytes: number;
            /** Format: date-time */
            staged_at: string;
            state: string;
            warnings?: {
                [key: string]: components["schemas"]["Noticed"];
            };
        };
        /** Batches */
        Batches: {
            batches: components["schemas"]["Batch"][];
            next: string | null;
        };
        /** BatchesByState */
        BatchesByState: {
            applied: number;
            cancelled: number;
            checked: number;
            counted: number;
            failed: number;
            retracted: number;
            retracting: number;
            staged: number;
        };
        /** Bucket */
        Bucket: {
            edges: number;
            least: number;
            most: number;
        };
        /** BulkAnswer */
        BulkAnswer: {
            action: components["schemas"]["Change"];
            done: number;
            fits: number;
            matching: number;
            next: components["schemas"]["GoOn"] | null;
            refused: number;
            unfit: number;
            unknown: number;
            uploads: components["schemas"]["Changed"][];
            with_zip: number;
        };
        /** BulkForecast */
        BulkForecast: {
            cancel: components["schemas"]["Fit"];
            matching: number;
            replay: components["schemas"]["Fit"];
            retract: components["schemas"]["Fit"];
            unknown: number;
        };
        /** CacheHealth */
        CacheHealth: {
            since_start: components["schemas"]["Counters"];
            state: string;
        };
        /**
         * Change
         * @enum {string}
         */
        Change: "cancel" | "retract" | "replay";
        /** Changed */
        Changed: {
            detail: string | null;
            /** Format: uuid */
            id: string;
            /** @enum {string} */
            outcome: "done" | "refused";
        };
        /**
         * Clock
         * @default arrival
         * @enum {string}
         */
        Clock: "arrival" | "event";
        /**
         * Code
         * @enum {string}
         */
        Code: "all-rejected" | "no-mentions" | "html-text" | "another-profile" | "names-cut" | "numeric-authors" | "author-never-mentioned" | "placeholder-authors" | "most-rejected" | "handles-cut" | "future-instants" | "early-instants" | "weights-ignored" | "repeated-posts";
        /**
         * ColumnNames
         * @default {
         *       "author": "username",
         *       "text": "data",
         *       "timestamp": "timestamp"
         *     }
         */
        ColumnNames: {
            /** @default username */
            author: string;
            /** @default data */
            text: string;
            /** @default timestamp */
            timestamp: string;
        };
        /** ComparedTie */
        ComparedTie: {
            mention_count_left: number | null;
            mention_count_right: number | null;
            source: string;
            target: string;
            weight_left: number | null;
            weight_right: number | null;
        };
        /** ComparedUser */
        ComparedUser: {
            handle: string;
            mentions_received_left: number | null;
            mentions_received_right: number | null;
            rank_change: number | null;
            rank_left: number | null;
            rank_right: number | null;
            weight_rank_change: number | null;
            weight_rank_left: number | null;
            weight_rank_right: number | null;
            weight_received_left: number | null;
            weight_received_right: number | null;
        };
        /** ComparisonAnswer */
        ComparisonAnswer: {
            /** Format: date-time */
            as_of: string;
            tie_lists: components["schemas"]["TieLists"];
            ties: components["schemas"]["SharedAnswer"];
            user_lists: components["schemas"]["UserLists"];
            users: components["schemas"]["SharedAnswer"];
            with: string;
        };
        /** Condition */
        Condition: {
            database: string;
            graph: string;
            state: string;
        };
        /** Conditions */
        Conditions: {
            graphs: components["schemas"]["Condition"][];
        };
        /** Contribution */
        Contribution: {
            applied_at: string | null;
            batch_id: number;
            filename: string | null;
            first_line: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            mention_count: number;
            ordinal: number;
            profile: string;
            profile_version: number;
            retracted: boolean;
            /** Format: uuid */
            upload_id: string;
        };
        /** Counted */
        Counted: {
            bytes: number;
            mentioning: number;
            mentions: number;
            rejected: number;
            rows: number;
            whole: boolean;
        };
        /** Counters */
        Counters: {
            /** @default 0 */
            damaged: number;
            /** @default 0 */
            failures: number;
            /** @default 0 */
            hits: number;
            /** @default 0 */
            misses: number;
            /** @default 0 */
            not_modified: number;
            /** @default 0 */
            not_stored: number;
            /** @default 0 */
            stored: number;
        };
        /** Counts */
        Counts: {
            states: components["schemas"]["UploadsByState"];
            total: number;
        };
        /** Cut */
        Cut: {
            edges: number;
            not_followed: string[];
            users: number;
        };
        /**
         * DateOrder
         * @enum {string}
         */
        DateOrder: "day-first" | "month-first";
        /** Day */
        Day: {
            /** Format: date */
            day: string;
            mentions: number;
        };
        /** Decay */
        Decay: {
            archive_below: number;
            archived_edges: number;
            archived_today: number;
            every: string;
            half_life: string | null;
            runs: components["schemas"]["PastRun"][];
            stale_after_days: number;
            written_down_today: number;
        };
        /** Detected */
        Detected: {
            reason: string;
            sure: string;
            value: string;
        };
        /** EdgeAnswer */
        EdgeAnswer: {
            archived_at: string | null;
            /** Format: date-time */
            as_of: string;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            links: components["schemas"]["EdgeLinks"];
            mention_count: number;
            source: string;
            target: string;
            weight: number;
        };
        /** EdgeBetween */
        EdgeBetween: {
            archived_at: string | null;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            mention_count: number;
            source: string;
            target: string;
            weight: number;
        };
        /** EdgeDays */
        EdgeDays: {
            /** Format: date-time */
            as_of: string;
            days: components["schemas"]["Day"][];
            days_from: string | null;
            last_7_days: number | null;
            previous_7_days: number | null;
            source: string;
            stale_since: string | null;
            target: string;
        };
        /** EdgeLinks */
        EdgeLinks: {
            source: string;
            target: string;
        };
        /** EdgeRanking */
        EdgeRanking: {
            /** Format: date-time */
            as_of: string;
            edges: components["schemas"]["RankedEdge"][];
            stale_since: string | null;
        };
        /** EgoAnswer */
        EgoAnswer: {
            /** Format: date-time */
            as_of: string;
            cut: components["schemas"]["Cut"];
            depth: number;
            edges: components["schemas"]["EdgeBetween"][];
            user: string;
            users: components["schemas"]["MemberAnswer"][];
        };
        /** Erasure */
        Erasure: {
            /** Format: date-time */
            began_at: string;
            deltas: number;
            finished_at: string | null;
            id: number;
            keep_out: boolean;
            mentions: number;
            moved_at: string | null;
            payloads: number;
            payloads_dropped: number;
            rejects: number;
            /** @enum {string} */
            state: "running" | "finished" | "stopped";
            step: string | null;
            step_done: number;
            step_total: number;
            texts: number;
        };
        /** Fit */
        Fit: {
            fits: number;
            unfit: number;
            with_zip: number;
        };
        /** Fleet */
        Fleet: {
            graphs: components["schemas"]["Ailing"][];
            periods: components["schemas"]["Schedule"][];
            processes: components["schemas"]["FleetMember"][];
        };
        /** FleetMember */
        FleetMember: {
            ailment: string | null;
            host: string;
            pid: number;
            role: components["schemas"]["Role"];
            /** Format: date-time */
            seen_at: string;
            /** Format: date-time */
            started_at: string;
        };
        /** Forgetting */
        Forgetting: {
            cache_cleared: boolean;
            deltas: number;
            dry_run: boolean;
            graph: string;
            keep_out: boolean;
            mentions: number;
            payloads: number;
            payloads_dropped: number;
            rejects: number;
            still_held: string[];
            texts: number;
        };
        /** Given */
        Given: {
            author?: string | null;
            author_is?: string | null;
            columns?: string[] | null;
            dates?: components["schemas"]["DateOrder"] | null;
            delimiter?: string | null;
            encoding?: string | null;
            header?: boolean | null;
            id?: string | null;
            layout?: components["schemas"]["InputFormat"] | null;
            mentions?: string | null;
            placeholders?: boolean | null;
            preset?: string | null;
            profile?: string | null;
            quote?: string | null;
            reply?: string | null;
            retweet?: string | null;
            retweets?: components["schemas"]["Retweets"] | null;
            sheet?: string | null;
            skip_lines?: number | null;
            text?: string | null;
            timestamp?: string | null;
            timestamp_format?: string | null;
            timezone?: string | null;
        };
        /** GoOn */
        GoOn: {
            /** Format: uuid */
            before: string;
            expected: number;
        };
        /** GraphAnswer */
        GraphAnswer: {
            created_at: string | null;
            days_kept: number;
            half_life: string;
            links: components["schemas"]["GraphLinks"];
            name: string;
            profile: string | null;
            quota_bytes: number | null;
            retention_days: number;
            shards: number;
            state: string;
        };
        /** GraphDays */
        GraphDays: {
            /** Format: date-time */
            as_of: string;
            days: components["schemas"]["Day"][];
            days_from: string | null;
            last_7_days: number | null;
            previous_7_days: number | null;
            stale_since: string | null;
        };
        /** GraphDetail */
        GraphDetail: {
            created_at: string | null;
            days_kept: number;
            edges: number | null;
            half_life: string;
            links: components["schemas"]["GraphLinks"];
            name: string;
            profile: string | null;
            quota_bytes: number | null;
            retention_days: number;
            shards: number;
            size_bytes: number | null;
            state: string;
            uploads: number | null;
            users: number | null;
        };
        /** GraphLinks */
        GraphLinks: {
            base: string;
            graph: string;
        };
        /** GraphsAnswer */
        GraphsAnswer: {
            graphs: components["schemas"]["GraphAnswer"][];
            next: string | null;
        };
        /** HistogramAnswer */
        HistogramAnswer: {
            buckets: components["schemas"]["Bucket"][];
            sampled: number;
        };
        /** HistoryAnswer */
        HistoryAnswer: {
            contributions: components["schemas"]["Contribution"][];
            next: string | null;
            purged: boolean;
            source: string;
            target: string;
        };
        /**
         * InputFormat
         * @default csv
         * @enum {string}
         */
        InputFormat: "csv" | "jsonl" | "json-array" | "json-pages";
        /** KeyAnswer */
        KeyAnswer: {
            /** Format: date-time */
            created_at: string;
            expires_at: string | null;
            graphs: string[] | null;
            id: string;
            owner: string;
            revoked_at: string | null;
            scopes: string[];
            state: components["schemas"]["KeyState"];
        };
        /** KeyMade */
        KeyMade: {
            key: components["schemas"]["KeyAnswer"];
            token: string;
        };
        /**
         * KeyState
         * @enum {string}
         */
        KeyState: "usable" | "expired" | "revoked";
        /** Keys */
        Keys: {
            keys: components["schemas"]["KeyAnswer"][];
            next: string | null;
        };
        /** LeftOut */
        LeftOut: {
            edges: number;
            users: number;
        };
        /** LineAnswer */
        LineAnswer: {
            /** Format: date-time */
            at: string;
            batch_id: number;
            cut_after: boolean;
            cut_before: boolean;
            filename: string | null;
            line: number;
            mention_count: number;
            mentions: components["schemas"]["Mark"][];
            repeated: boolean;
            retracted: boolean;
            text: string;
            /** Format: uuid */
            upload_id: string;
        };
        /** LinesAnswer */
        LinesAnswer: {
            lines: components["schemas"]["LineAnswer"][];
            next: string | null;
            purged: boolean;
            source: string;
            target: string;
            unread: components["schemas"]["UnreadAnswer"][];
        };
        /** Live */
        Live: {
            status: string;
        };
        /** Mark */
        Mark: {
            end: number | null;
            handle: string;
            kind: string;
            start: number | null;
        };
        /** MemberAnswer */
        MemberAnswer: {
            distance: number;
            handle: string;
            mentions_made: number | null;
            mentions_received: number | null;
            spelling: string;
            weight: number | null;
            weight_made: number | null;
            weight_received: number | null;
        };
        /** MemberEntry */
        MemberEntry: {
            duplicate_of: string | null;
            error: components["schemas"]["Problem"] | null;
            filename: string;
            /** Format: uuid */
            id: string;
            mentions: number | null;
            rows_received: number | null;
            rows_rejected: number | null;
            size_bytes: number | null;
            state: components["schemas"]["UploadState"];
        };
        /** MentionAnswer */
        MentionAnswer: {
            archived_at: string | null;
            /** Format: date-time */
            first_seen: string;
            handle: string;
            /** Format: date-time */
            last_seen: string;
            mention_count: number;
            spelling: string;
            weight: number;
        };
        /** Mentions */
        Mentions: {
            /** Format: date-time */
            as_of: string;
            mentions: components["schemas"]["MentionAnswer"][];
            next: string | null;
            user: string;
        };
        /** NetworkAnswer */
        NetworkAnswer: {
            /** Format: date-time */
            as_of: string;
            cut: components["schemas"]["LeftOut"];
            edges: components["schemas"]["EdgeBetween"][];
            edges_estimated: boolean;
            edges_in_graph: number;
            is_all: boolean;
            looked_at: number;
            stale_since: string | null;
            users: components["schemas"]["UserDrawn"][];
        };
        /** Noticed */
        Noticed: {
            count: number;
            /** @default  */
            example: string;
            lines?: number[];
            profiles?: string[];
            /** @default 0 */
            users: number;
        };
        /** Options */
        Options: {
            clock?: components["schemas"]["Clock"];
            columns?: components["schemas"]["ColumnNames"];
            /** @default , */
            delimiter: string;
            detected?: {
                [key: string]: components["schemas"]["Detected"];
            };
            /** @default false */
            dry_run: boolean;
            /** @default utf-8 */
            encoding: string;
            format?: components["schemas"]["InputFormat"];
            given?: components["schemas"]["Given"] | null;
            max_rejects?: components["schemas"]["RejectLimit"] | null;
            priority?: components["schemas"]["Priority"];
            /** @default twitter */
            profile: string;
            /** @default text */
            retweets: components["schemas"]["Retweets"] | boolean;
        };
        /**
         * Outcome
         * @enum {string}
         */
        Outcome: "found" | "none" | "gave_up";
        /** PastRun */
        PastRun: {
            archive_below: number;
            archived: number;
            /** Format: date-time */
            as_of: string;
            finished_at: string | null;
            ranges_looked_at: number;
            /** Format: date-time */
            started_at: string;
            written_down: number;
        };
        /** PathAnswer */
        PathAnswer: {
            /** Format: date-time */
            as_of: string;
            detail: string;
            edges: components["schemas"]["EdgeBetween"][];
            length: number | null;
            outcome: components["schemas"]["Outcome"];
            source: string;
            target: string;
            users: components["schemas"]["UserOnPath"][];
            visited: number;
        };
        /** Preview */
        Preview: {
            cells: string[][];
            certain: boolean;
            columns: string[];
            counted: components["schemas"]["Counted"] | null;
            detected: {
                [key: string]: components["schemas"]["Detected"];
            };
            questions: components["schemas"]["Question"][];
            rejects: components["schemas"]["Rejected"][];
            rows: components["schemas"]["Row"][];
        };
        /**
         * Priority
         * @default bulk
         * @enum {string}
         */
        Priority: "urgent" | "bulk";
        /** Problem */
        Problem: {
            detail: string;
            status: number;
            title: string;
            type: string;
            upload?: string | null;
        };
        /** ProblemDocument */
        ProblemDocument: {
            detail: string;
            instance?: string | null;
            status: number;
            title: string;
            type: string;
            upload?: string | null;
            "violated-policies"?: string[] | null;
        };
        /** Progress */
        Progress: {
            bytes_applied: number;
            bytes_counted: number;
            bytes_total: number;
            mentions_counted: number;
            rejects_counted: number;
            rows_counted: number;
            share: number;
        };
        /** Question */
        Question: {
            choices: string[];
            command_line: string;
            found: string;
            option: string;
        };
        /** Queue */
        Queue: {
            batches: number;
            batches_claimed: number;
            bytes: number;
            oldest: string | null;
            priority: string;
            seconds: number | null;
        };
        /** Queues */
        Queues: {
            applied: components["schemas"]["Applied"];
            /** Format: date-time */
            as_of: string;
            max_backlog_bytes: number;
            messages: {
                [key: string]: number;
            } | null;
            staged: components["schemas"]["Queue"][];
            unmerged: components["schemas"]["Unmerged"];
        };
        /** RankedEdge */
        RankedEdge: {
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            mention_count: number;
            source: string;
            source_spelling: string;
            target: string;
            target_spelling: string;
            weight: number;
        };
        /** RankedUser */
        RankedUser: {
            handle: string;
            mentions: number;
            spelling: string;
            weight: number;
        };
        /** Ready */
        Ready: {
            disk: string;
            postgresql: string;
            redis: string;
            status: string;
        };
        /** Reject */
        Reject: {
            code: string;
            column: string | null;
            line: number;
            message: string;
            raw: string;
            raw_base64?: string;
            value: string | null;
        };
        /** RejectLimit */
        RejectLimit: {
            rows?: number | null;
            share?: number | null;
        };
        /** Rejected */
        Rejected: {
            code: string;
            line: number;
            message: string;
        };
        /** Rejects */
        Rejects: {
            detail: string | null;
            kept: number;
            next: string | null;
            rejected: number;
            rejects: components["schemas"]["Reject"][];
        };
        /** ReplayForecast */
        ReplayForecast: {
            /** @constant */
            action: "replay";
            batch_id: number | null;
            batches: number;
            batches_purged: number;
            rows: number | null;
            /** Format: uuid */
            upload_id: string;
        };
        /** Result */
        Result: {
            compared: components["schemas"]["Audit"];
            difference: number;
            exact: boolean;
            summary_difference: number;
        };
        /**
         * Retweets
         * @enum {string}
         */
        Retweets: "text" | "author" | "none";
        /**
         * Role
         * @enum {string}
         */
        Role: "worker" | "scheduler";
        /** Row */
        Row: {
            at: string;
            author: string;
            line: number;
            mentions: components["schemas"]["Mark"][];
            text: string;
        };
        /** Schedule */
        Schedule: {
            actor: string;
            claimed_until: string | null;
            every: string;
            finished_at: string | null;
            /** Format: date-time */
            next_run: string;
            running: boolean;
            start: string | null;
        };
        /** Self */
        Self: {
            expires_at: string | null;
            graphs: string[] | null;
            key_id: string | null;
            keys_needed: boolean;
            owner: string | null;
            scopes: string[];
        };
        /** Sender */
        Sender: {
            address: string | null;
            key_id: string | null;
            owner: string | null;
        };
        /** SettingAnswer */
        SettingAnswer: {
            default: string;
            differs: boolean;
            group: string;
            meaning: string;
            name: string;
            unit: string;
            value: string;
            variable: string;
            wanted: string;
        };
        /** SettingsAnswer */
        SettingsAnswer: {
            settings: components["schemas"]["SettingAnswer"][];
        };
        /** SharedAnswer */
        SharedAnswer: {
            both: number;
            jaccard: number | null;
            left_only: number;
            right_only: number;
        };
        /** TieAnswer */
        TieAnswer: {
            handle: string;
            made: components["schemas"]["TieDirection"];
            received: components["schemas"]["TieDirection"];
            spelling: string;
            weight: number;
        };
        /** TieDirection */
        TieDirection: {
            archived_at: string | null;
            /** Format: date-time */
            last_seen: string;
            mention_count: number;
            weight: number;
        };
        /** TieLists */
        TieLists: {
            both: components["schemas"]["ComparedTie"][];
            left_only: components["schemas"]["ComparedTie"][];
            right_only: components["schemas"]["ComparedTie"][];
        };
        /** Ties */
        Ties: {
            /** Format: date-time */
            as_of: string;
            next: string | null;
            ties: components["schemas"]["TieAnswer"][];
            user: string;
        };
        /** Trending */
        Trending: {
            days: number;
            stale_since: string | null;
            until: string | null;
            users: components["schemas"]["TrendingUser"][];
            worked_out_at: string | null;
        };
        /** TrendingUser */
        TrendingUser: {
            growth: number;
            handle: string;
            mentions: number;
            mentions_before: number;
            spelling: string;
        };
        /** Unmerged */
        Unmerged: {
            batches: number;
            bytes: number;
            deltas: number;
            mentions: number;
            oldest: string | null;
        };
        /** UnreadAnswer */
        UnreadAnswer: {
            batch_id: number;
            filename: string | null;
            mention_count: number;
            retracted: boolean;
            /** Format: uuid */
            upload_id: string;
            why: components["schemas"]["Why"];
        };
        /** Upload */
        Upload: {
            again: boolean;
            batches: components["schemas"]["BatchesByState"];
            duplicate_of: string | null;
            error: components["schemas"]["Problem"] | null;
            filename: string | null;
            finished_at: string | null;
            /** Format: uuid */
            id: string;
            links: components["schemas"]["UploadLinks"];
            member_count: number | null;
            members: components["schemas"]["MemberEntry"][] | null;
            mentions: number | null;
            mentions_applied: number;
            note: string | null;
            options: components["schemas"]["Options"];
            parent_id: string | null;
            progress: components["schemas"]["Progress"];
            purged_at: string | null;
            /** Format: date-time */
            received_at: string;
            received_by: string;
            rejects_by_code: {
                [key: string]: number;
            } | null;
            rejects_kept: number;
            rejects_purged_at: string | null;
            rows_accepted: number | null;
            rows_applied: number;
            rows_received: number | null;
            rows_rejected: number | null;
            rows_repeated: number | null;
            sealed_at: string | null;
            seconds_applying: number | null;
            seconds_receiving: number | null;
            sent_by: components["schemas"]["Sender"] | null;
            sha256: string | null;
            size_bytes: number;
            state: components["schemas"]["UploadState"];
            warnings: components["schemas"]["UploadWarning"][];
        };
        /** UploadLinks */
        UploadLinks: {
            batches: string;
            duplicate_of: string | null;
            events: string;
            parent: string | null;
            rejects: string;
            rejects_csv: string;
            upload: string;
        };
        /**
         * UploadState
         * @enum {string}
         */
        UploadState: "receiving" | "staged" | "applying" | "applied" | "failed" | "checking" | "checked" | "cancelling" | "cancelled" | "aborted" | "duplicate" | "retracting" | "retracted";
        /** UploadWarning */
        UploadWarning: {
            code: components["schemas"]["Code"];
            count: number;
            detail: string;
            lines: number[];
            profiles: string[];
            title: string;
        };
        /** Uploads */
        Uploads: {
            next: string | null;
            uploads: components["schemas"]["Upload"][];
        };
        /** UploadsByState */
        UploadsByState: {
            aborted: number;
            applied: number;
            applying: number;
            cancelled: number;
            cancelling: number;
            checked: number;
            checking: number;
            duplicate: number;
            failed: number;
            receiving: number;
            retracted: number;
            retracting: number;
            staged: number;
        };
        /** UserAnswer */
        UserAnswer: {
            /** Format: date-time */
            as_of: string;
            handle: string;
            links: components["schemas"]["UserLinks"];
            mentioned_users: number;
            mentioning_users: number;
            mentions_made: number;
            mentions_received: number;
            self_mentions: number;
            spelling: string;
            weight_made: number;
            weight_received: number;
        };
        /** UserDay */
        UserDay: {
            /** Format: date */
            day: string;
            made: number;
            received: number;
        };
        /** UserDays */
        UserDays: {
            /** Format: date-time */
            as_of: string;
            days: components["schemas"]["UserDay"][];
            days_from: string | null;
            made_last_7_days: number | null;
            made_previous_7_days: number | null;
            received_last_7_days: number | null;
            received_previous_7_days: number | null;
            stale_since: string | null;
            user: string;
        };
        /** UserDrawn */
        UserDrawn: {
            handle: string;
            mentions_made: number | null;
            mentions_received: number | null;
            spelling: string;
            weight_made: number | null;
            weight_received: number | null;
        };
        /** UserFound */
        UserFound: {
            handle: string;
            link: string;
            spelling: string;
        };
        /** UserLinks */
        UserLinks: {
            ego: string;
            incoming: string;
            outgoing: string;
            reciprocal: string;
            user: string;
        };
        /** UserLists */
        UserLists: {
            both: components["schemas"]["ComparedUser"][];
            left_only: components["schemas"]["ComparedUser"][];
            right_only: components["schemas"]["ComparedUser"][];
        };
        /** UserOnPath */
        UserOnPath: {
            handle: string;
            spelling: string;
        };
        /** UserRanking */
        UserRanking: {
            /** Format: date-time */
            as_of: string;
            stale_since: string | null;
            users: components["schemas"]["RankedUser"][];
        };
        /** UsersAnswer */
        UsersAnswer: {
            next: string | null;
            users: components["schemas"]["UserFound"][];
        };
        /** Weights */
        Weights: {
            differing_counts: number;
            /** @default 0 */
            differing_users: number;
            differing_weights: number;
            largest_deviation: number;
            purged: number;
            sampled: number;
            /** @default 0 */
            users: number;
        };
        /**
         * Why
         * @enum {string}
         */
        Why: "purged" | "erased" | "unknown_profile";
        /** WithdrawalForecast */
        WithdrawalForecast: {
            /** @enum {string} */
            action: "cancel" | "retract";
            batches: number;
            batches_not_counted: number;
            batches_taken_out: number;
            detail: string | null;
            edges_gone: number | null;
            edges_weaker: number | null;
            exact: boolean | null;
            mentions_taken_out: number;
            posts_handed_over: boolean;
            rows_taken_out: number;
            state: components["schemas"]["UploadState"];
            /** Format: uuid */
            upload_id: string;
            users_gone: number | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    AuditGetAudit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "last": {
                     *         "asked_at": "2026-01-15T12:00:00Z",
                     *         "asked_by": {
                     *           "address": "192.0.2.7",
                     *           "key_id": "4fQz81Lk",
                     *           "owner": "ada"
                     *         },
                     *         "began_at": "2026-01-15T12:00:00.1Z",
                     *         "finished_at": "2026-01-15T12:00:04Z",
                     *         "process": "mentiongraph worker@graph-1:812",
                     *         "result": {
                     *           "compared": {
                     *             "batches_left_counted": 0,
                     *             "batches_unlike_their_deltas": 0,
                     *             "batches_unlike_their_ids": 0,
                     *             "batches_with_lost_rejects": 0,
                     *             "edges_archived_and_not": 0,
                     *             "edges_without_users": 0,
                     *             "mentions_in_archive": 84529,
                     *             "mentions_in_edges": 2901344,
                     *             "mentions_in_ledger": 3184206,
                     *             "mentions_in_summaries": 2985873,
                     *             "mentions_pending": 198333,
                     *             "mentions_unsummarized": 0,
                     *             "orphaned_deltas": 0,
                     *             "received_unlike_made": 0,
                     *             "uploads_finished_early": 0,
                     *             "uploads_left_unfinished": 0,
                     *             "uploads_missing_batches": 0,
                     *             "uploads_unlike_their_batches": 0,
                     *             "weights": {
                     *               "differing_counts": 0,
                     *               "differing_users": 0,
                     *               "differing_weights": 0,
                     *               "largest_deviation": 2.2e-16,
                     *               "purged": 0,
                     *               "sampled": 200,
                     *               "users": 200
                     *             }
                     *           },
                     *           "difference": 0,
                     *           "exact": true,
                     *           "summary_difference": 0
                     *         },
                     *         "sample": 200,
                     *         "state": "done"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Audits"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    AuditRunAudit: {
        parameters: {
            query?: {
                sample?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "unfinished": {
                     *         "asked_at": "2026-01-15T12:00:00Z",
                     *         "asked_by": {
                     *           "address": "192.0.2.7",
                     *           "key_id": "4fQz81Lk",
                     *           "owner": "ada"
                     *         },
                     *         "sample": 200,
                     *         "state": "waiting"
                     *       }
                     *     }
                     */
                    "application/json": unknown;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    AuditEventsListAuditEvents: {
        parameters: {
            query?: {
                since?: string | null;
                until?: string | null;
                action?: string | null;
                outcome?: "done" | "denied" | null;
                owner?: string | null;
                key?: string | null;
                subject?: string | null;
                limit?: number;
                before?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "events": [
                     *         {
                     *           "action": "upload.retract",
                     *           "address": "192.0.2.7",
                     *           "at": "2026-01-15T12:00:00.25Z",
                     *           "id": 17,
                     *           "key_id": "Fq3xT81b",
                     *           "outcome": "done",
                     *           "owner": "grace",
                     *           "process": "mentiongraph api@host:4711",
                     *           "subject": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *         }
                     *       ],
                     *       "next": "/audit-events?owner=grace&limit=1&before=17"
                     *     }
                     */
                    "application/json": components["schemas"]["AuditEvents"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    BatchesBatchIdReplayReplayBatch: {
        parameters: {
            query?: {
                dry_run?: boolean;
            };
            header?: never;
            path: {
                batch_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "replay",
                     *       "batch_id": 42,
                     *       "batches": 1,
                     *       "batches_purged": 0,
                     *       "rows": 134201,
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayForecast"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ComparisonCompare: {
        parameters: {
            query: {
                with: string;
                as_of?: string | null;
                min_weight?: number;
                archived?: boolean | null;
                self_mentions?: boolean;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ComparisonAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    CompareTies: {
        parameters: {
            query: {
                with: string;
                as_of?: string | null;
                min_weight?: number;
                archived?: boolean | null;
                self_mentions?: boolean;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    CompareUsers: {
        parameters: {
            query: {
                with: string;
                as_of?: string | null;
                min_weight?: number;
                archived?: boolean | null;
                self_mentions?: boolean;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    DaysGetDays: {
        parameters: {
            query?: {
                days?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days": [
                     *         {
                     *           "day": "2026-01-14",
                     *           "mentions": 148
                     *         },
                     *         {
                     *           "day": "2026-01-15",
                     *           "mentions": 96
                     *         }
                     *       ],
                     *       "days_from": "2025-12-12",
                     *       "last_7_days": 1071,
                     *       "previous_7_days": 998
                     *     }
                     */
                    "application/json": components["schemas"]["GraphDays"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    EdgesGetEdge: {
        parameters: {
            query: {
                source: string;
                target: string;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "first_seen": "2026-01-12T09:30:00Z",
                     *       "last_seen": "2026-01-15T12:00:00Z",
                     *       "links": {
                     *         "source": "/users/grace",
                     *         "target": "/users/ada"
                     *       },
                     *       "mention_count": 3,
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "weight": 2.7143
                     *     }
                     */
                    "application/json": components["schemas"]["EdgeAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    EdgesDaysGetEdgeDays: {
        parameters: {
            query: {
                source: string;
                target: string;
                days?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days": [
                     *         {
                     *           "day": "2026-01-14",
                     *           "mentions": 0
                     *         },
                     *         {
                     *           "day": "2026-01-15",
                     *           "mentions": 2
                     *         }
                     *       ],
                     *       "days_from": "2025-12-12",
                     *       "last_7_days": 3,
                     *       "previous_7_days": 1,
                     *       "source": "Grace",
                     *       "target": "ada"
                     *     }
                     */
                    "application/json": components["schemas"]["EdgeDays"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    EdgesSourceTargetHistoryGetHistory: {
        parameters: {
            query?: {
                limit?: number;
                before?: number;
            };
            header?: never;
            path: {
                source: string;
                target: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "contributions": [
                     *         {
                     *           "applied_at": "2026-01-15T12:00:00.9Z",
                     *           "batch_id": 42,
                     *           "filename": "posts.csv",
                     *           "first_line": 2,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "ordinal": 0,
                     *           "profile": "twitter",
                     *           "profile_version": 1,
                     *           "retracted": false,
                     *           "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *         }
                     *       ],
                     *       "purged": false,
                     *       "source": "Grace",
                     *       "target": "ada"
                     *     }
                     */
                    "application/json": components["schemas"]["HistoryAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    EdgesSourceTargetLinesGetLines: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string | null;
            };
            header?: never;
            path: {
                source: string;
                target: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "lines": [
                     *         {
                     *           "at": "2026-01-15T11:42:00Z",
                     *           "batch_id": 42,
                     *           "cut_after": false,
                     *           "cut_before": false,
                     *           "filename": "posts.csv",
                     *           "line": 4431,
                     *           "mention_count": 1,
                     *           "mentions": [
                     *             {
                     *               "end": 26,
                     *               "handle": "ada",
                     *               "kind": "mention",
                     *               "start": 22
                     *             }
                     *           ],
                     *           "repeated": false,
                     *           "retracted": false,
                     *           "text": "It runs again. Thanks @ada!",
                     *           "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *         }
                     *       ],
                     *       "purged": false,
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "unread": []
                     *     }
                     */
                    "application/json": components["schemas"]["LinesAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ErasuresErasureIdGetErasure: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                erasure_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "began_at": "2026-01-15T12:00:00.25Z",
                     *       "deltas": 0,
                     *       "id": 17,
                     *       "keep_out": true,
                     *       "mentions": 0,
                     *       "moved_at": "2026-01-15T12:00:09.5Z",
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 0,
                     *       "state": "running",
                     *       "step": "payloads",
                     *       "step_done": 40,
                     *       "step_total": 112,
                     *       "texts": 0
                     *     }
                     */
                    "application/json": components["schemas"]["Erasure"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportEdgesCsv: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
                digits?: number | null;
                delimiter?: "," | ";" | "|" | "tab";
                decimal?: "." | ",";
                bom?: boolean;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportEdgesJsonl: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportEdgesParquet: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/vnd.apache.parquet": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportGephiCsv: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
                digits?: number | null;
                delimiter?: "," | ";" | "|" | "tab";
                decimal?: "." | ",";
                bom?: boolean;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportGraphGexf: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
                digits?: number | null;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/gexf+xml": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportGraphGraphml: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
                digits?: number | null;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/graphml+xml": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportNeo4JZip: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/zip": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    ExportNodesCsv: {
        parameters: {
            query?: {
                as_of?: string | null;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                user?: string[] | null;
                depth?: number;
                touching?: boolean;
                archived?: boolean | null;
                self_mentions?: boolean;
                digits?: number | null;
                delimiter?: "," | ";" | "|" | "tab";
                decimal?: "." | ",";
                bom?: boolean;
                guard?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    GraphsListGraphs: {
        parameters: {
            query?: {
                limit?: number;
                after?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "graphs": [
                     *         {
                     *           "created_at": "2026-01-15T12:00:00Z",
                     *           "days_kept": 35,
                     *           "half_life": "30d",
                     *           "links": {
                     *             "base": "/graphs/elections",
                     *             "graph": "/graphs/elections"
                     *           },
                     *           "name": "elections",
                     *           "profile": "instagram",
                     *           "quota_bytes": 10737418240,
                     *           "retention_days": 30,
                     *           "shards": 8,
                     *           "state": "ready"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["GraphsAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    GraphsCreateGraph: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    database_url?: string | null;
                    days_kept?: number | null;
                    half_life?: string;
                    name: string;
                    /** @enum {string|null} */
                    profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word" | null;
                    quota_bytes?: number | null;
                    retention_days?: number | null;
                    /** @enum {integer} */
                    shards?: 1 | 2 | 4 | 8 | 16 | 32 | 64;
                    take_over?: boolean;
                };
            };
        };
        responses: {
            201: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "days_kept": 35,
                     *       "half_life": "30d",
                     *       "links": {
                     *         "base": "/graphs/elections",
                     *         "graph": "/graphs/elections"
                     *       },
                     *       "name": "elections",
                     *       "profile": "instagram",
                     *       "quota_bytes": 10737418240,
                     *       "retention_days": 30,
                     *       "shards": 8,
                     *       "state": "ready"
                     *     }
                     */
                    "application/json": components["schemas"]["GraphAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    GraphsGetGraph: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                graph: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "days_kept": 35,
                     *       "edges": 268114,
                     *       "half_life": "30d",
                     *       "links": {
                     *         "base": "/graphs/elections",
                     *         "graph": "/graphs/elections"
                     *       },
                     *       "name": "elections",
                     *       "profile": "instagram",
                     *       "quota_bytes": 10737418240,
                     *       "retention_days": 30,
                     *       "shards": 8,
                     *       "size_bytes": 96509952,
                     *       "state": "ready",
                     *       "uploads": 12,
                     *       "users": 51220
                     *     }
                     */
                    "application/json": components["schemas"]["GraphDetail"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    GraphsDropGraph: {
        parameters: {
            query?: {
                drop_database?: boolean;
            };
            header?: never;
            path: {
                graph: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    GraphsChangeGraph: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                graph: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    days_kept?: number | null;
                    name?: string;
                    /** @enum {string|null} */
                    profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word" | null;
                    quota_bytes?: number | null;
                    retention_days?: number | null;
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "days_kept": 35,
                     *       "half_life": "30d",
                     *       "links": {
                     *         "base": "/graphs/elections",
                     *         "graph": "/graphs/elections"
                     *       },
                     *       "name": "elections",
                     *       "profile": "instagram",
                     *       "quota_bytes": 10737418240,
                     *       "retention_days": 30,
                     *       "shards": 8,
                     *       "state": "ready"
                     *     }
                     */
                    "application/json": components["schemas"]["GraphAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthCacheCache: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "since_start": {
                     *         "damaged": 0,
                     *         "failures": 0,
                     *         "hits": 48211,
                     *         "misses": 3104,
                     *         "not_modified": 970,
                     *         "not_stored": 14,
                     *         "stored": 3090
                     *       },
                     *       "state": "ready"
                     *     }
                     */
                    "application/json": components["schemas"]["CacheHealth"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthDecayListDecay: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "archive_below": 0.06,
                     *       "archived_edges": 84529,
                     *       "archived_today": 12911,
                     *       "every": "1d",
                     *       "half_life": "7d",
                     *       "runs": [
                     *         {
                     *           "archive_below": 0.06,
                     *           "archived": 12911,
                     *           "as_of": "2026-01-15T00:00:03Z",
                     *           "finished_at": "2026-01-15T00:00:44Z",
                     *           "ranges_looked_at": 512,
                     *           "started_at": "2026-01-15T00:00:03Z",
                     *           "written_down": 318204
                     *         }
                     *       ],
                     *       "stale_after_days": 28,
                     *       "written_down_today": 318204
                     *     }
                     */
                    "application/json": components["schemas"]["Decay"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthGraphsListConditions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "graphs": [
                     *         {
                     *           "database": "ready",
                     *           "graph": "default",
                     *           "state": "ready"
                     *         },
                     *         {
                     *           "database": "does not answer",
                     *           "graph": "elections",
                     *           "state": "ready"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Conditions"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthLiveLive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "live"
                     *     }
                     */
                    "application/json": components["schemas"]["Live"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthProcessesListProcesses: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "graphs": [
                     *         {
                     *           "ailment": "does not answer",
                     *           "graph": "elections"
                     *         }
                     *       ],
                     *       "periods": [
                     *         {
                     *           "actor": "decay",
                     *           "every": "1d",
                     *           "finished_at": "2026-01-15T00:00:41Z",
                     *           "next_run": "2026-01-16T00:00:00Z",
                     *           "running": false,
                     *           "start": "2026-01-15T00:00:00Z"
                     *         }
                     *       ],
                     *       "processes": [
                     *         {
                     *           "host": "graph-1",
                     *           "pid": 812,
                     *           "role": "scheduler",
                     *           "seen_at": "2026-01-15T12:00:02Z",
                     *           "started_at": "2026-01-15T09:12:31Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Fleet"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthQueuesListQueues: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "applied": {
                     *         "median_seconds": 0.8,
                     *         "p99_seconds": 4.1,
                     *         "uploads": 994
                     *       },
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "max_backlog_bytes": 68719476736,
                     *       "messages": {
                     *         "bulk": 9,
                     *         "maintenance": 0,
                     *         "soon": 0,
                     *         "urgent": 0
                     *       },
                     *       "staged": [
                     *         {
                     *           "batches": 1,
                     *           "batches_claimed": 1,
                     *           "bytes": 4194304,
                     *           "oldest": "2026-01-15T11:59:59Z",
                     *           "priority": "urgent",
                     *           "seconds": 1
                     *         },
                     *         {
                     *           "batches": 10,
                     *           "batches_claimed": 2,
                     *           "bytes": 79691776,
                     *           "oldest": "2026-01-15T11:58:41Z",
                     *           "priority": "bulk",
                     *           "seconds": 79
                     *         }
                     *       ],
                     *       "unmerged": {
                     *         "batches": 3,
                     *         "bytes": 25165824,
                     *         "deltas": 21,
                     *         "mentions": 198333,
                     *         "oldest": "2026-01-15T11:59:57Z"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Queues"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    HealthReadyReady: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "disk": "enough",
                     *       "postgresql": "ready",
                     *       "redis": "ready",
                     *       "status": "ready"
                     *     }
                     */
                    "application/json": components["schemas"]["Ready"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ready"];
                };
            };
        };
    };
    KeysListKeys: {
        parameters: {
            query?: {
                owner?: string | null;
                limit?: number;
                before?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "keys": [
                     *         {
                     *           "created_at": "2026-01-15T12:00:00Z",
                     *           "expires_at": "2026-04-15T12:00:00Z",
                     *           "id": "4fQz81Lk",
                     *           "owner": "ada",
                     *           "scopes": [
                     *             "graph:read",
                     *             "uploads:write"
                     *           ],
                     *           "state": "usable"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Keys"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    KeysMakeKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    days?: number | null;
                    graphs?: string[] | null;
                    owner: string;
                    scopes: ("graph:read" | "graph:export" | "uploads:write" | "uploads:read" | "uploads:manage" | "metrics" | "admin")[];
                };
            };
        };
        responses: {
            201: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "key": {
                     *         "created_at": "2026-01-15T12:00:00Z",
                     *         "expires_at": "2026-04-15T12:00:00Z",
                     *         "id": "4fQz81Lk",
                     *         "owner": "ada",
                     *         "scopes": [
                     *           "graph:read",
                     *           "uploads:write"
                     *         ],
                     *         "state": "usable"
                     *       },
                     *       "token": "mg_4fQz81Lk_…"
                     *     }
                     */
                    "application/json": components["schemas"]["KeyMade"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    KeysSelfGetSelf: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "expires_at": "2026-04-15T12:00:00Z",
                     *       "key_id": "4fQz81Lk",
                     *       "keys_needed": true,
                     *       "owner": "ada",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Self"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    KeysKeyIdGetKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "expires_at": "2026-04-15T12:00:00Z",
                     *       "id": "4fQz81Lk",
                     *       "owner": "ada",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ],
                     *       "state": "usable"
                     *     }
                     */
                    "application/json": components["schemas"]["KeyAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    KeysKeyIdRevokeKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "expires_at": "2026-04-15T12:00:00Z",
                     *       "id": "4fQz81Lk",
                     *       "owner": "ada",
                     *       "revoked_at": "2026-01-20T08:00:00Z",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ],
                     *       "state": "revoked"
                     *     }
                     */
                    "application/json": components["schemas"]["KeyAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    KeysKeyIdRotateRotateKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key_id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    days?: number | null;
                    grace_hours?: number;
                };
            };
        };
        responses: {
            201: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "key": {
                     *         "created_at": "2026-01-15T12:00:00Z",
                     *         "expires_at": "2026-04-15T12:00:00Z",
                     *         "id": "4fQz81Lk",
                     *         "owner": "ada",
                     *         "scopes": [
                     *           "graph:read",
                     *           "uploads:write"
                     *         ],
                     *         "state": "usable"
                     *       },
                     *       "token": "mg_4fQz81Lk_…"
                     *     }
                     */
                    "application/json": components["schemas"]["KeyMade"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    MetricsMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    NetworkGetNetwork: {
        parameters: {
            query?: {
                users?: number;
                edges?: number;
                min_mentions?: number;
                min_weight?: number;
                since?: string | null;
                until?: string | null;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "cut": {
                     *         "edges": 1275,
                     *         "users": 111
                     *       },
                     *       "edges": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ],
                     *       "edges_estimated": false,
                     *       "edges_in_graph": 1276,
                     *       "is_all": true,
                     *       "looked_at": 1276,
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "mentions_made": 31,
                     *           "mentions_received": 9,
                     *           "spelling": "Grace",
                     *           "weight_made": 18.2071,
                     *           "weight_received": 5.5024
                     *         },
                     *         {
                     *           "handle": "ada",
                     *           "mentions_made": 7,
                     *           "mentions_received": 3127,
                     *           "spelling": "ada",
                     *           "weight_made": 3.9012,
                     *           "weight_received": 842.1193
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["NetworkAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    NetworkHistogramGetHistogram: {
        parameters: {
            query?: never;
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "buckets": [
                     *         {
                     *           "edges": 610,
                     *           "least": 1,
                     *           "most": 1
                     *         },
                     *         {
                     *           "edges": 271,
                     *           "least": 2,
                     *           "most": 2
                     *         },
                     *         {
                     *           "edges": 48,
                     *           "least": 6,
                     *           "most": 7
                     *         }
                     *       ],
                     *       "sampled": 1
                     *     }
                     */
                    "application/json": components["schemas"]["HistogramAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    PathsGetPath: {
        parameters: {
            query: {
                source: string;
                target: string;
                max_length?: number;
                as_of?: string | null;
                archived?: boolean | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "detail": "grace → ada",
                     *       "edges": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ],
                     *       "length": 1,
                     *       "outcome": "found",
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "spelling": "Grace"
                     *         },
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada"
                     *         }
                     *       ],
                     *       "visited": 2
                     *     }
                     */
                    "application/json": components["schemas"]["PathAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    RankingsEdgesRankEdges: {
        parameters: {
            query?: {
                limit?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "edges": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "source": "grace",
                     *           "source_spelling": "Grace",
                     *           "target": "ada",
                     *           "target_spelling": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["EdgeRanking"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    RankingsMentionedRankReceived: {
        parameters: {
            query?: {
                limit?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "stale_since": "2026-01-15T11:59:58.2Z",
                     *       "users": [
                     *         {
                     *           "handle": "ada",
                     *           "mentions": 3127,
                     *           "spelling": "ada",
                     *           "weight": 842.1193
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["UserRanking"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    RankingsMentioningRankMade: {
        parameters: {
            query?: {
                limit?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "stale_since": "2026-01-15T11:59:58.2Z",
                     *       "users": [
                     *         {
                     *           "handle": "ada",
                     *           "mentions": 3127,
                     *           "spelling": "ada",
                     *           "weight": 842.1193
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["UserRanking"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    RankingsTrendingRankTrending: {
        parameters: {
            query?: {
                days?: 1 | 7 | 14;
                limit?: number;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "days": 7,
                     *       "until": "2026-01-15",
                     *       "users": [
                     *         {
                     *           "growth": 4,
                     *           "handle": "ada",
                     *           "mentions": 190,
                     *           "mentions_before": 40,
                     *           "spelling": "ada"
                     *         }
                     *       ],
                     *       "worked_out_at": "2026-01-15T11:58:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Trending"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    SettingsGetSettings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "settings": [
                     *         {
                     *           "default": "postgresql://localhost:5432/mentiongraph",
                     *           "differs": true,
                     *           "group": "Servers",
                     *           "meaning": "Address of PostgreSQL: a URL or connection string as libpq takes it.",
                     *           "name": "database_url",
                     *           "unit": "",
                     *           "value": "postgresql://mentiongraph:***@postgres:5432/mentiongraph",
                     *           "variable": "MENTIONGRAPH_DATABASE_URL",
                     *           "wanted": "text"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SettingsAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadCsvReceiveUpload: {
        parameters: {
            query?: {
                text?: string | null;
                timestamp?: string | null;
                author?: string | null;
                author_is?: string | null;
                id?: string | null;
                mentions?: string | null;
                reply?: string | null;
                retweet?: string | null;
                quote?: string | null;
                format?: components["schemas"]["InputFormat"] | null;
                encoding?: string | null;
                delimiter?: string | null;
                header?: boolean | null;
                columns?: string | null;
                skip_lines?: number | null;
                sheet?: string | null;
                preset?: "x-v1" | "x-v2" | "twarc-csv" | "snscrape" | "twint" | "twint-json" | "rtweet" | "academictwitter" | "x-archive" | "x-archive-csv" | "apify-x" | "sentiment140" | "4cat" | "4cat-reddit" | "4cat-x" | "4cat-tiktok" | "4cat-instagram" | "4cat-threads" | "4cat-telegram" | "4cat-bluesky" | "4cat-truth-gab" | "zeeschuimer-tiktok" | "zeeschuimer-tiktok-comments" | "zeeschuimer-instagram" | "zeeschuimer-x" | "meltwater" | "brandwatch" | "talkwalker" | "talkwalker-api" | "mastodon" | "mastodon-archive" | "bluesky" | "bluesky-feed" | "bluesky-jetstream" | "reddit" | "telegram" | "discord" | "youtube-comments" | "youtube-tools" | "crowdtangle-facebook" | "crowdtangle-groups" | "crowdtangle-instagram" | "apify-instagram" | "apify-instagram-csv" | "apify-tiktok" | "apify-tiktok-csv" | "tiktok-research" | "weibo-search" | "weibo-crawler" | "weibo-crawler-json";
                dates?: components["schemas"]["DateOrder"] | null;
                timestamp_format?: string | null;
                timezone?: string | null;
                placeholders?: boolean | null;
                profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word";
                retweets?: string | null;
                clock?: components["schemas"]["Clock"];
                priority?: components["schemas"]["Priority"];
                dry_run?: boolean;
                max_rejects?: string | null;
                again?: boolean;
                filename?: string | null;
            };
            header?: {
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": string;
                "application/octet-stream": string;
                "application/x-ndjson": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
                };
                "text/csv": string;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsListUploads: {
        parameters: {
            query?: {
                text?: string | null;
                since?: string | null;
                until?: string | null;
                owner?: string | null;
                state?: components["schemas"]["UploadState"][] | null;
                limit?: number;
                before?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "next": "/uploads?limit=1&before=019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "uploads": [
                     *         {
                     *           "again": false,
                     *           "batches": {
                     *             "applied": 1,
                     *             "cancelled": 0,
                     *             "checked": 0,
                     *             "counted": 1,
                     *             "failed": 0,
                     *             "retracted": 0,
                     *             "retracting": 0,
                     *             "staged": 1
                     *           },
                     *           "filename": "posts.csv",
                     *           "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "links": {
                     *             "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *             "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *             "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *             "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *             "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *           },
                     *           "mentions_applied": 50301,
                     *           "note": "Second delivery; the first one lacked November",
                     *           "options": {
                     *             "clock": "arrival",
                     *             "columns": {
                     *               "author": "username",
                     *               "text": "data",
                     *               "timestamp": "timestamp"
                     *             },
                     *             "delimiter": ",",
                     *             "dry_run": false,
                     *             "encoding": "utf-8",
                     *             "format": "csv",
                     *             "max_rejects": {
                     *               "share": 0.05
                     *             },
                     *             "priority": "bulk",
                     *             "profile": "twitter",
                     *             "retweets": true
                     *           },
                     *           "progress": {
                     *             "bytes_applied": 8388608,
                     *             "bytes_counted": 16777216,
                     *             "bytes_total": 25165824,
                     *             "mentions_counted": 100712,
                     *             "rejects_counted": 11,
                     *             "rows_counted": 134201,
                     *             "share": 0.5
                     *           },
                     *           "received_at": "2026-01-15T12:00:00Z",
                     *           "received_by": "mentiongraph api@host:4711",
                     *           "rejects_by_code": {
                     *             "empty_author": 3,
                     *             "unreadable_timestamp": 8
                     *           },
                     *           "rejects_kept": 11,
                     *           "rows_applied": 67093,
                     *           "rows_received": 201304,
                     *           "sealed_at": "2026-01-15T12:00:00.25Z",
                     *           "seconds_receiving": 0.25,
                     *           "sent_by": {
                     *             "address": "192.0.2.7",
                     *             "key_id": "Fq3xT81b",
                     *             "owner": "grace"
                     *           },
                     *           "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *           "size_bytes": 25165932,
                     *           "state": "applying",
                     *           "warnings": [
                     *             {
                     *               "code": "handles-cut",
                     *               "count": 2,
                     *               "detail": "2 posts end within a handle.",
                     *               "lines": [
                     *                 17,
                     *                 41
                     *               ],
                     *               "profiles": [],
                     *               "title": "Handles were cut off"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Uploads"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsReceiveUpload: {
        parameters: {
            query?: {
                text?: string | null;
                timestamp?: string | null;
                author?: string | null;
                author_is?: string | null;
                id?: string | null;
                mentions?: string | null;
                reply?: string | null;
                retweet?: string | null;
                quote?: string | null;
                format?: components["schemas"]["InputFormat"] | null;
                encoding?: string | null;
                delimiter?: string | null;
                header?: boolean | null;
                columns?: string | null;
                skip_lines?: number | null;
                sheet?: string | null;
                preset?: "x-v1" | "x-v2" | "twarc-csv" | "snscrape" | "twint" | "twint-json" | "rtweet" | "academictwitter" | "x-archive" | "x-archive-csv" | "apify-x" | "sentiment140" | "4cat" | "4cat-reddit" | "4cat-x" | "4cat-tiktok" | "4cat-instagram" | "4cat-threads" | "4cat-telegram" | "4cat-bluesky" | "4cat-truth-gab" | "zeeschuimer-tiktok" | "zeeschuimer-tiktok-comments" | "zeeschuimer-instagram" | "zeeschuimer-x" | "meltwater" | "brandwatch" | "talkwalker" | "talkwalker-api" | "mastodon" | "mastodon-archive" | "bluesky" | "bluesky-feed" | "bluesky-jetstream" | "reddit" | "telegram" | "discord" | "youtube-comments" | "youtube-tools" | "crowdtangle-facebook" | "crowdtangle-groups" | "crowdtangle-instagram" | "apify-instagram" | "apify-instagram-csv" | "apify-tiktok" | "apify-tiktok-csv" | "tiktok-research" | "weibo-search" | "weibo-crawler" | "weibo-crawler-json";
                dates?: components["schemas"]["DateOrder"] | null;
                timestamp_format?: string | null;
                timezone?: string | null;
                placeholders?: boolean | null;
                profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word";
                retweets?: string | null;
                clock?: components["schemas"]["Clock"];
                priority?: components["schemas"]["Priority"];
                dry_run?: boolean;
                max_rejects?: string | null;
                again?: boolean;
                filename?: string | null;
            };
            header?: {
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": string;
                "application/octet-stream": string;
                "application/x-ndjson": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
                };
                "text/csv": string;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            507: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsBulkChangeMany: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {string} */
                    action?: "cancel" | "retract" | "replay";
                    /** Format: uuid */
                    before?: string;
                    dry_run?: boolean;
                    expected?: number;
                    filter?: {
                        owner?: string;
                        /** Format: date-time */
                        since?: string;
                        state?: ("receiving" | "staged" | "applying" | "applied" | "failed" | "checking" | "checked" | "cancelling" | "cancelled" | "aborted" | "duplicate" | "retracting" | "retracted")[];
                        text?: string;
                        /** Format: date-time */
                        until?: string;
                    };
                    uploads?: string[];
                } & ((unknown | unknown) & ({
                    /** @constant */
                    dry_run: true;
                } | unknown));
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cancel": {
                     *         "fits": 1,
                     *         "unfit": 3,
                     *         "with_zip": 0
                     *       },
                     *       "matching": 4,
                     *       "replay": {
                     *         "fits": 0,
                     *         "unfit": 4,
                     *         "with_zip": 0
                     *       },
                     *       "retract": {
                     *         "fits": 2,
                     *         "unfit": 2,
                     *         "with_zip": 0
                     *       },
                     *       "unknown": 0
                     *     }
                     */
                    "application/json": components["schemas"]["BulkForecast"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "retract",
                     *       "done": 1,
                     *       "fits": 2,
                     *       "matching": 4,
                     *       "refused": 1,
                     *       "unfit": 2,
                     *       "unknown": 0,
                     *       "uploads": [
                     *         {
                     *           "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "outcome": "done"
                     *         },
                     *         {
                     *           "detail": "upload 019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77 is retracting: only an applied or failed one is retracted.",
                     *           "id": "019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77",
                     *           "outcome": "refused"
                     *         }
                     *       ],
                     *       "with_zip": 0
                     *     }
                     */
                    "application/json": components["schemas"]["BulkAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsCountsCountUploads: {
        parameters: {
            query?: {
                text?: string | null;
                since?: string | null;
                until?: string | null;
                owner?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "states": {
                     *         "aborted": 5,
                     *         "applied": 187,
                     *         "applying": 1,
                     *         "cancelled": 6,
                     *         "cancelling": 0,
                     *         "checked": 0,
                     *         "checking": 0,
                     *         "duplicate": 6,
                     *         "failed": 3,
                     *         "receiving": 1,
                     *         "retracted": 4,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "total": 214
                     *     }
                     */
                    "application/json": components["schemas"]["Counts"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsPreviewPreviewUpload: {
        parameters: {
            query?: {
                text?: string | null;
                timestamp?: string | null;
                author?: string | null;
                author_is?: string | null;
                id?: string | null;
                mentions?: string | null;
                reply?: string | null;
                retweet?: string | null;
                quote?: string | null;
                format?: components["schemas"]["InputFormat"] | null;
                encoding?: string | null;
                delimiter?: string | null;
                header?: boolean | null;
                columns?: string | null;
                skip_lines?: number | null;
                sheet?: string | null;
                preset?: "x-v1" | "x-v2" | "twarc-csv" | "snscrape" | "twint" | "twint-json" | "rtweet" | "academictwitter" | "x-archive" | "x-archive-csv" | "apify-x" | "sentiment140" | "4cat" | "4cat-reddit" | "4cat-x" | "4cat-tiktok" | "4cat-instagram" | "4cat-threads" | "4cat-telegram" | "4cat-bluesky" | "4cat-truth-gab" | "zeeschuimer-tiktok" | "zeeschuimer-tiktok-comments" | "zeeschuimer-instagram" | "zeeschuimer-x" | "meltwater" | "brandwatch" | "talkwalker" | "talkwalker-api" | "mastodon" | "mastodon-archive" | "bluesky" | "bluesky-feed" | "bluesky-jetstream" | "reddit" | "telegram" | "discord" | "youtube-comments" | "youtube-tools" | "crowdtangle-facebook" | "crowdtangle-groups" | "crowdtangle-instagram" | "apify-instagram" | "apify-instagram-csv" | "apify-tiktok" | "apify-tiktok-csv" | "tiktok-research" | "weibo-search" | "weibo-crawler" | "weibo-crawler-json";
                dates?: components["schemas"]["DateOrder"] | null;
                timestamp_format?: string | null;
                timezone?: string | null;
                placeholders?: boolean | null;
                profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word";
                retweets?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": string;
                "application/octet-stream": string;
                "application/x-ndjson": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
                };
                "text/csv": string;
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cells": [
                     *         [
                     *           "Danke @ada, bis später",
                     *           "31/12/2023 14:05",
                     *           "grace"
                     *         ]
                     *       ],
                     *       "certain": true,
                     *       "columns": [
                     *         "Text",
                     *         "Datum",
                     *         "Benutzer"
                     *       ],
                     *       "counted": {
                     *         "bytes": 48,
                     *         "mentioning": 1,
                     *         "mentions": 1,
                     *         "rejected": 0,
                     *         "rows": 1,
                     *         "whole": true
                     *       },
                     *       "detected": {
                     *         "author": {
                     *           "reason": "its name is 'Benutzer'",
                     *           "sure": "certain",
                     *           "value": "Benutzer"
                     *         },
                     *         "dates": {
                     *           "reason": "'31/12/2023 14:05' can only be read so",
                     *           "sure": "certain",
                     *           "value": "day-first"
                     *         },
                     *         "delimiter": {
                     *           "reason": "rows have 3 fields with a semicolon between them",
                     *           "sure": "certain",
                     *           "value": ";"
                     *         },
                     *         "format": {
                     *           "reason": "the file does not begin as JSON does",
                     *           "sure": "certain",
                     *           "value": "csv"
                     *         }
                     *       },
                     *       "questions": [],
                     *       "rejects": [],
                     *       "rows": [
                     *         {
                     *           "at": "2023-12-31T14:05:00.000000Z",
                     *           "author": "grace",
                     *           "line": 2,
                     *           "mentions": [
                     *             {
                     *               "end": 10,
                     *               "handle": "ada",
                     *               "kind": "mention",
                     *               "start": 6
                     *             }
                     *           ],
                     *           "text": "Danke @ada, bis später"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Preview"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdGetUpload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdChangeUpload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    note: string | null;
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdBatchesListBatches: {
        parameters: {
            query?: {
                after?: number;
                limit?: number;
            };
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "batches": [
                     *         {
                     *           "applied_at": "2026-01-15T12:00:00.9Z",
                     *           "attempts": 1,
                     *           "counted_at": "2026-01-15T12:00:00.4Z",
                     *           "edges": 49822,
                     *           "first_line": 2,
                     *           "id": 42,
                     *           "mentions": 50301,
                     *           "ordinal": 0,
                     *           "profile": "twitter",
                     *           "profile_version": 1,
                     *           "rejects_by_code": {
                     *             "unreadable_timestamp": 8
                     *           },
                     *           "rejects_kept": 8,
                     *           "rows_accepted": 67093,
                     *           "rows_received": 67101,
                     *           "rows_rejected": 8,
                     *           "size_bytes": 8388608,
                     *           "staged_at": "2026-01-15T12:00:00.1Z",
                     *           "state": "applied",
                     *           "warnings": {
                     *             "handles-cut": {
                     *               "count": 2,
                     *               "lines": [
                     *                 17,
                     *                 41
                     *               ]
                     *             }
                     *           }
                     *         }
                     *       ],
                     *       "next": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches?after=0&limit=1"
                     *     }
                     */
                    "application/json": components["schemas"]["Batches"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdCancelCancelUpload: {
        parameters: {
            query?: {
                dry_run?: boolean;
            };
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "cancel",
                     *       "batches": 12,
                     *       "batches_not_counted": 2,
                     *       "batches_taken_out": 9,
                     *       "detail": "The numbers of edges are estimated from a sample.",
                     *       "edges_gone": 21308,
                     *       "edges_weaker": 140112,
                     *       "exact": false,
                     *       "mentions_taken_out": 485571,
                     *       "posts_handed_over": false,
                     *       "rows_taken_out": 434806,
                     *       "state": "applying",
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *     }
                     */
                    "application/json": components["schemas"]["WithdrawalForecast"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "cancelling",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdEventsStreamEvents: {
        parameters: {
            query?: never;
            header?: {
                "Last-Event-ID"?: number;
            };
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdRejectsListRejects: {
        parameters: {
            query?: {
                after?: number;
                limit?: number;
            };
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "kept": 1,
                     *       "rejected": 1,
                     *       "rejects": [
                     *         {
                     *           "code": "unreadable_timestamp",
                     *           "column": "timestamp",
                     *           "line": 17,
                     *           "message": "The column 'timestamp' (field 2) is 'yesterday'. Write ISO 8601 such as 2024-05-01T12:30:00Z, or the seconds (9 or 10 digits, with or without a fraction) or milliseconds (13 digits) since 1970.",
                     *           "raw": "hello @ada,yesterday,grace",
                     *           "value": "yesterday"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Rejects"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdRejectsCsvDownloadRejects: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdReplayReplayUpload: {
        parameters: {
            query?: {
                dry_run?: boolean;
            };
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "replay",
                     *       "batches": 2,
                     *       "batches_purged": 0,
                     *       "rows": 134201,
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *     }
                     */
                    "application/json": components["schemas"]["ReplayForecast"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "applying",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UploadsUploadIdRetractRetractUpload: {
        parameters: {
            query?: {
                dry_run?: boolean;
            };
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "action": "retract",
                     *       "batches": 12,
                     *       "batches_not_counted": 0,
                     *       "batches_taken_out": 12,
                     *       "detail": "The numbers of edges are estimated from a sample.",
                     *       "edges_gone": 21308,
                     *       "edges_weaker": 140112,
                     *       "exact": false,
                     *       "mentions_taken_out": 485571,
                     *       "posts_handed_over": false,
                     *       "rows_taken_out": 434806,
                     *       "state": "applied",
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *     }
                     */
                    "application/json": components["schemas"]["WithdrawalForecast"];
                };
            };
            202: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "again": false,
                     *       "batches": {
                     *         "applied": 1,
                     *         "cancelled": 0,
                     *         "checked": 0,
                     *         "counted": 1,
                     *         "failed": 0,
                     *         "retracted": 0,
                     *         "retracting": 0,
                     *         "staged": 1
                     *       },
                     *       "filename": "posts.csv",
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "links": {
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
                     *       },
                     *       "mentions_applied": 50301,
                     *       "note": "Second delivery; the first one lacked November",
                     *       "options": {
                     *         "clock": "arrival",
                     *         "columns": {
                     *           "author": "username",
                     *           "text": "data",
                     *           "timestamp": "timestamp"
                     *         },
                     *         "delimiter": ",",
                     *         "dry_run": false,
                     *         "encoding": "utf-8",
                     *         "format": "csv",
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         },
                     *         "priority": "bulk",
                     *         "profile": "twitter",
                     *         "retweets": true
                     *       },
                     *       "progress": {
                     *         "bytes_applied": 8388608,
                     *         "bytes_counted": 16777216,
                     *         "bytes_total": 25165824,
                     *         "mentions_counted": 100712,
                     *         "rejects_counted": 11,
                     *         "rows_counted": 134201,
                     *         "share": 0.5
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "rejects_by_code": {
                     *         "empty_author": 3,
                     *         "unreadable_timestamp": 8
                     *       },
                     *       "rejects_kept": 11,
                     *       "rows_applied": 67093,
                     *       "rows_received": 201304,
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "sent_by": {
                     *         "address": "192.0.2.7",
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace"
                     *       },
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "size_bytes": 25165932,
                     *       "state": "retracting",
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "count": 2,
                     *           "detail": "2 posts end within a handle.",
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": [],
                     *           "title": "Handles were cut off"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Upload"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersListUsers: {
        parameters: {
            query?: {
                prefix?: string;
                limit?: number;
                after?: string;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "next": "/users?prefix=gra&limit=1&after=grace",
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "link": "/users/grace",
                     *           "spelling": "Grace"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["UsersAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleGetUser: {
        parameters: {
            query?: {
                as_of?: string | null;
                archived?: boolean | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "handle": "grace",
                     *       "links": {
                     *         "ego": "/users/grace/ego",
                     *         "incoming": "/users/grace/incoming",
                     *         "outgoing": "/users/grace/outgoing",
                     *         "reciprocal": "/users/grace/reciprocal",
                     *         "user": "/users/grace"
                     *       },
                     *       "mentioned_users": 12,
                     *       "mentioning_users": 4,
                     *       "mentions_made": 31,
                     *       "mentions_received": 9,
                     *       "self_mentions": 1,
                     *       "spelling": "Grace",
                     *       "weight_made": 18.2071,
                     *       "weight_received": 5.5024
                     *     }
                     */
                    "application/json": components["schemas"]["UserAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleDaysGetUserDays: {
        parameters: {
            query?: {
                days?: number;
                as_of?: string | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days": [
                     *         {
                     *           "day": "2026-01-14",
                     *           "made": 1,
                     *           "received": 0
                     *         },
                     *         {
                     *           "day": "2026-01-15",
                     *           "made": 3,
                     *           "received": 2
                     *         }
                     *       ],
                     *       "days_from": "2025-12-12",
                     *       "made_last_7_days": 9,
                     *       "made_previous_7_days": 4,
                     *       "received_last_7_days": 2,
                     *       "received_previous_7_days": 2,
                     *       "user": "Grace"
                     *     }
                     */
                    "application/json": components["schemas"]["UserDays"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleEgoGetEgo: {
        parameters: {
            query?: {
                depth?: number;
                users?: number;
                edges?: number;
                as_of?: string | null;
                archived?: boolean | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "cut": {
                     *         "edges": 1,
                     *         "not_followed": [],
                     *         "users": 13
                     *       },
                     *       "depth": 1,
                     *       "edges": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ],
                     *       "user": "Grace",
                     *       "users": [
                     *         {
                     *           "distance": 0,
                     *           "handle": "grace",
                     *           "mentions_made": 31,
                     *           "mentions_received": 9,
                     *           "spelling": "Grace",
                     *           "weight_made": 18.2071,
                     *           "weight_received": 5.5024
                     *         },
                     *         {
                     *           "distance": 1,
                     *           "handle": "ada",
                     *           "mentions_made": 7,
                     *           "mentions_received": 3127,
                     *           "spelling": "ada",
                     *           "weight": 4.5257,
                     *           "weight_made": 3.9012,
                     *           "weight_received": 842.1193
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["EgoAnswer"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleForgetForgetUser: {
        parameters: {
            query?: {
                dry_run?: boolean;
                keep_out?: boolean;
            };
            header?: never;
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    Location?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cache_cleared": true,
                     *       "deltas": 64,
                     *       "dry_run": false,
                     *       "graph": "default",
                     *       "keep_out": true,
                     *       "mentions": 1312,
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 2,
                     *       "still_held": [
                     *         "PostgreSQL's write-ahead log before 0/3A2C1F8 holds old rows, until its files are overwritten."
                     *       ],
                     *       "texts": 1
                     *     }
                     */
                    "application/json": components["schemas"]["Forgetting"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cache_cleared": true,
                     *       "deltas": 64,
                     *       "dry_run": false,
                     *       "graph": "default",
                     *       "keep_out": true,
                     *       "mentions": 1312,
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 2,
                     *       "still_held": [
                     *         "PostgreSQL's write-ahead log before 0/3A2C1F8 holds old rows, until its files are overwritten."
                     *       ],
                     *       "texts": 1
                     *     }
                     */
                    "application/json": components["schemas"]["Erasure"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleIncomingListMentions: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string | null;
                as_of?: string | null;
                archived?: boolean | null;
                self_mentions?: boolean;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mentions": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "handle": "ada",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "spelling": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ],
                     *       "next": "/users/grace/outgoing?limit=1&cursor=4005b6ae7d566cf47fffffffffffffff&as_of=2026-01-15T12%3A00%3A00Z",
                     *       "user": "Grace"
                     *     }
                     */
                    "application/json": components["schemas"]["Mentions"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleOutgoingListMentions: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string | null;
                as_of?: string | null;
                archived?: boolean | null;
                self_mentions?: boolean;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mentions": [
                     *         {
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "handle": "ada",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "mention_count": 3,
                     *           "spelling": "ada",
                     *           "weight": 2.7143
                     *         }
                     *       ],
                     *       "next": "/users/grace/outgoing?limit=1&cursor=4005b6ae7d566cf47fffffffffffffff&as_of=2026-01-15T12%3A00%3A00Z",
                     *       "user": "Grace"
                     *     }
                     */
                    "application/json": components["schemas"]["Mentions"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    UsersHandleReciprocalListReciprocal: {
        parameters: {
            query?: {
                limit?: number;
                cursor?: string | null;
                as_of?: string | null;
                archived?: boolean | null;
            };
            header?: {
                "If-None-Match"?: string;
            };
            path: {
                handle: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    "Cache-Status"?: unknown;
                    ETag?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "ties": [
                     *         {
                     *           "handle": "ada",
                     *           "made": {
                     *             "last_seen": "2026-01-15T12:00:00Z",
                     *             "mention_count": 3,
                     *             "weight": 2.7143
                     *           },
                     *           "received": {
                     *             "last_seen": "2026-01-14T08:15:00Z",
                     *             "mention_count": 2,
                     *             "weight": 1.8114
                     *           },
                     *           "spelling": "ada",
                     *           "weight": 1.8114
                     *         }
                     *       ],
                     *       "user": "Grace"
                     *     }
                     */
                    "application/json": components["schemas"]["Ties"];
                };
            };
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            421: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
}
