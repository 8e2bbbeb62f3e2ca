// Made from the OpenAPI document by `make page`.

export interface paths {
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
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** Ailing */
        Ailing: {
            graph: string;
            ailment: string;
        };
        /** Applied */
        Applied: {
            uploads: number;
            median_seconds: number | null;
            p99_seconds: number | null;
        };
        /** Audit */
        Audit: {
            mentions_in_edges: number;
            mentions_in_archive: number;
            mentions_pending: number;
            mentions_in_summaries: number;
            mentions_unsummarized: number;
            received_unlike_made: number;
            mentions_in_ledger: number;
            edges_archived_and_not: number;
            edges_without_users: number;
            batches_with_lost_rejects: number;
            orphaned_deltas: number;
            batches_unlike_their_deltas: number;
            batches_unlike_their_ids: number;
            batches_left_counted: number;
            uploads_missing_batches: number;
            uploads_finished_early: number;
            uploads_left_unfinished: number;
            uploads_unlike_their_batches: number;
            weights?: components["schemas"]["Weights"] | null;
        };
        /** AuditEvent */
        AuditEvent: {
            id: number;
            /** Format: date-time */
            at: string;
            action: string;
            /** @enum {string} */
            outcome: "done" | "denied";
            subject: string | null;
            key_id: string | null;
            owner: string | null;
            address: string | null;
            process: string;
            detail: {
                [key: string]: unknown;
            } | null;
        };
        /** AuditEvents */
        AuditEvents: {
            events: components["schemas"]["AuditEvent"][];
            next: string | null;
        };
        /** AuditRun */
        AuditRun: {
            state: components["schemas"]["AuditState"];
            sample: number;
            /** Format: date-time */
            asked_at: string;
            asked_by: components["schemas"]["Sender"];
            began_at: string | null;
            finished_at: string | null;
            process: string | null;
            result: components["schemas"]["Result"] | null;
            error: components["schemas"]["Problem"] | null;
        };
        /**
         * AuditState
         * @enum {string}
         */
        AuditState: "waiting" | "running" | "done" | "failed";
        /** Audits */
        Audits: {
            unfinished: components["schemas"]["AuditRun"] | null;
            last: components["schemas"]["AuditRun"] | null;
        };
        /** Batch */
        Batch: {
            id: number;
            ordinal: number;
            state: string;
            first_line: number;
            size_bytes: number;
            attempts: number;
            next_attempt_at: string | null;
            claimed_until: string | null;
            profile: string | null;
            profile_version: number | null;
            rows_received: number | null;
            rows_accepted: number | null;
            rows_rejected: number | null;
            rows_repeated: number | null;
            mentions: number | null;
            edges: number | null;
            error: components["schemas"]["Problem"] | null;
            /** Format: date-time */
            staged_at: string;
            counted_at: string | null;
            applied_at: string | null;
            warnings?: {
                [key: string]: components["schemas"]["Noticed"];
            };
            rejects_kept?: number | null;
            rejects_by_code?: {
                [key: string]: number;
            } | null;
        };
        /** Batches */
        Batches: {
            batches: components["schemas"]["Batch"][];
            next: string | null;
        };
        /** BatchesByState */
        BatchesByState: {
            staged: number;
            counted: number;
            applied: number;
            failed: number;
            checked: number;
            cancelled: number;
            retracting: number;
            retracted: number;
        };
        /** Bucket */
        Bucket: {
            least: number;
            most: number;
            edges: number;
        };
        /** BulkAnswer */
        BulkAnswer: {
            action: components["schemas"]["Change"];
            matching: number;
            unknown: number;
            fits: number;
            with_zip: number;
            unfit: number;
            done: number;
            refused: number;
            uploads: components["schemas"]["Changed"][];
            next: components["schemas"]["GoOn"] | null;
        };
        /** BulkForecast */
        BulkForecast: {
            matching: number;
            unknown: number;
            cancel: components["schemas"]["Fit"];
            retract: components["schemas"]["Fit"];
            replay: components["schemas"]["Fit"];
        };
        /** CacheHealth */
        CacheHealth: {
            state: string;
            since_start: components["schemas"]["Counters"];
        };
        /**
         * Change
         * @enum {string}
         */
        Change: "cancel" | "retract" | "replay";
        /** Changed */
        Changed: {
            /** Format: uuid */
            id: string;
            /** @enum {string} */
            outcome: "done" | "refused";
            detail: string | null;
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
         *       "text": "data",
         *       "timestamp": "timestamp",
         *       "author": "username"
         *     }
         */
        ColumnNames: {
            /** @default data */
            text: string;
            /** @default timestamp */
            timestamp: string;
            /** @default username */
            author: string;
        };
        /** ComparedTie */
        ComparedTie: {
            source: string;
            target: string;
            mention_count_left: number | null;
            mention_count_right: number | null;
            weight_left: number | null;
            weight_right: number | null;
        };
        /** ComparedUser */
        ComparedUser: {
            handle: string;
            mentions_received_left: number | null;
            mentions_received_right: number | null;
            weight_received_left: number | null;
            weight_received_right: number | null;
            rank_left: number | null;
            rank_right: number | null;
            weight_rank_left: number | null;
            weight_rank_right: number | null;
            rank_change: number | null;
            weight_rank_change: number | null;
        };
        /** ComparisonAnswer */
        ComparisonAnswer: {
            with: string;
            /** Format: date-time */
            as_of: string;
            users: components["schemas"]["SharedAnswer"];
            ties: components["schemas"]["SharedAnswer"];
            user_lists: components["schemas"]["UserLists"];
            tie_lists: components["schemas"]["TieLists"];
        };
        /** Condition */
        Condition: {
            graph: string;
            state: string;
            database: string;
        };
        /** Conditions */
        Conditions: {
            graphs: components["schemas"]["Condition"][];
        };
        /** Contribution */
        Contribution: {
            /** Format: uuid */
            upload_id: string;
            filename: string | null;
            batch_id: number;
            ordinal: number;
            first_line: number;
            mention_count: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            applied_at: string | null;
            profile: string;
            profile_version: number;
            retracted: boolean;
        };
        /** Counted */
        Counted: {
            bytes: number;
            rows: number;
            rejected: number;
            mentioning: number;
            mentions: number;
            whole: boolean;
        };
        /** Counters */
        Counters: {
            /** @default 0 */
            hits: number;
            /** @default 0 */
            not_modified: number;
            /** @default 0 */
            misses: number;
            /** @default 0 */
            stored: number;
            /** @default 0 */
            not_stored: number;
            /** @default 0 */
            damaged: number;
            /** @default 0 */
            failures: number;
        };
        /** Counts */
        Counts: {
            total: number;
            states: components["schemas"]["UploadsByState"];
        };
        /** Cut */
        Cut: {
            users: number;
            edges: number;
            not_followed: string[];
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
            half_life: string | null;
            stale_after_days: number;
            archive_below: number;
            every: string;
            archived_edges: number;
            written_down_today: number;
            archived_today: number;
            runs: components["schemas"]["PastRun"][];
        };
        /** Detected */
        Detected: {
            value: string;
            sure: string;
            reason: string;
        };
        /** EdgeAnswer */
        EdgeAnswer: {
            source: string;
            target: string;
            /** Format: date-time */
            as_of: string;
            mention_count: number;
            weight: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            archived_at: string | null;
            links: components["schemas"]["EdgeLinks"];
        };
        /** EdgeBetween */
        EdgeBetween: {
            source: string;
            target: string;
            mention_count: number;
            weight: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            archived_at: string | null;
        };
        /** EdgeDays */
        EdgeDays: {
            source: string;
            target: string;
            /** Format: date-time */
            as_of: string;
            stale_since: string | null;
            days_from: string | null;
            last_7_days: number | null;
            previous_7_days: number | null;
            days: components["schemas"]["Day"][];
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
            stale_since: string | null;
            edges: components["schemas"]["RankedEdge"][];
        };
        /** EgoAnswer */
        EgoAnswer: {
            user: string;
            /** Format: date-time */
            as_of: string;
            depth: number;
            users: components["schemas"]["MemberAnswer"][];
            edges: components["schemas"]["EdgeBetween"][];
            cut: components["schemas"]["Cut"];
        };
        /** Erasure */
        Erasure: {
            id: number;
            /** @enum {string} */
            state: "running" | "finished" | "stopped";
            keep_out: boolean;
            /** Format: date-time */
            began_at: string;
            finished_at: string | null;
            step: string | null;
            step_done: number;
            step_total: number;
            moved_at: string | null;
            mentions: number;
            deltas: number;
            payloads: number;
            payloads_dropped: number;
            rejects: number;
            texts: number;
        };
        /** Fit */
        Fit: {
            fits: number;
            with_zip: number;
            unfit: number;
        };
        /** Fleet */
        Fleet: {
            processes: components["schemas"]["FleetMember"][];
            periods: components["schemas"]["Schedule"][];
            graphs: components["schemas"]["Ailing"][];
        };
        /** FleetMember */
        FleetMember: {
            role: components["schemas"]["Role"];
            host: string;
            pid: number;
            /** Format: date-time */
            started_at: string;
            /** Format: date-time */
            seen_at: string;
            ailment: string | null;
        };
        /** Forgetting */
        Forgetting: {
            graph: string;
            dry_run: boolean;
            keep_out: boolean;
            mentions: number;
            deltas: number;
            payloads: number;
            payloads_dropped: number;
            rejects: number;
            texts: number;
            cache_cleared: boolean;
            still_held: string[];
        };
        /** Given */
        Given: {
            layout?: components["schemas"]["InputFormat"] | null;
            encoding?: string | null;
            delimiter?: string | null;
            skip_lines?: number | null;
            header?: boolean | null;
            columns?: string[] | null;
            preset?: string | null;
            sheet?: string | null;
            text?: string | null;
            timestamp?: string | null;
            author?: string | null;
            author_is?: string | null;
            id?: string | null;
            mentions?: string | null;
            reply?: string | null;
            retweet?: string | null;
            quote?: string | null;
            timestamp_format?: string | null;
            timezone?: string | null;
            dates?: components["schemas"]["DateOrder"] | null;
            placeholders?: boolean | null;
            profile?: string | null;
            retweets?: components["schemas"]["Retweets"] | null;
        };
        /** GoOn */
        GoOn: {
            /** Format: uuid */
            before: string;
            expected: number;
        };
        /** GraphAnswer */
        GraphAnswer: {
            name: string;
            state: string;
            half_life: string;
            shards: number;
            profile: string | null;
            days_kept: number;
            retention_days: number;
            quota_bytes: number | null;
            created_at: string | null;
            links: components["schemas"]["GraphLinks"];
        };
        /** GraphDays */
        GraphDays: {
            /** Format: date-time */
            as_of: string;
            stale_since: string | null;
            days_from: string | null;
            last_7_days: number | null;
            previous_7_days: number | null;
            days: components["schemas"]["Day"][];
        };
        /** GraphDetail */
        GraphDetail: {
            name: string;
            state: string;
            half_life: string;
            shards: number;
            profile: string | null;
            days_kept: number;
            retention_days: number;
            quota_bytes: number | null;
            created_at: string | null;
            links: components["schemas"]["GraphLinks"];
            size_bytes: number | null;
            edges: number | null;
            users: number | null;
            uploads: number | null;
        };
        /** GraphLinks */
        GraphLinks: {
            graph: string;
            base: string;
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
            source: string;
            target: string;
            contributions: components["schemas"]["Contribution"][];
            purged: boolean;
            next: string | null;
        };
        /**
         * InputFormat
         * @default csv
         * @enum {string}
         */
        InputFormat: "csv" | "jsonl" | "json-array" | "json-pages";
        /** KeyAnswer */
        KeyAnswer: {
            id: string;
            owner: string;
            scopes: string[];
            graphs: string[] | null;
            state: components["schemas"]["KeyState"];
            /** Format: date-time */
            created_at: string;
            expires_at: string | null;
            revoked_at: string | null;
        };
        /** KeyMade */
        KeyMade: {
            token: string;
            key: components["schemas"]["KeyAnswer"];
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
            users: number;
            edges: number;
        };
        /** LineAnswer */
        LineAnswer: {
            /** Format: uuid */
            upload_id: string;
            filename: string | null;
            batch_id: number;
            line: number;
            /** Format: date-time */
            at: string;
            text: string;
            cut_before: boolean;
            cut_after: boolean;
            mention_count: number;
            mentions: components["schemas"]["Mark"][];
            repeated: boolean;
            retracted: boolean;
        };
        /** LinesAnswer */
        LinesAnswer: {
            source: string;
            target: string;
            lines: components["schemas"]["LineAnswer"][];
            unread: components["schemas"]["UnreadAnswer"][];
            purged: boolean;
            next: string | null;
        };
        /** Live */
        Live: {
            status: string;
        };
        /** Mark */
        Mark: {
            handle: string;
            kind: string;
            start: number | null;
            end: number | null;
        };
        /** MemberAnswer */
        MemberAnswer: {
            handle: string;
            spelling: string;
            distance: number;
            weight: number | null;
            mentions_made: number | null;
            mentions_received: number | null;
            weight_made: number | null;
            weight_received: number | null;
        };
        /** MemberEntry */
        MemberEntry: {
            /** Format: uuid */
            id: string;
            state: components["schemas"]["UploadState"];
            filename: string;
            duplicate_of: string | null;
            error: components["schemas"]["Problem"] | null;
            size_bytes: number | null;
            rows_received: number | null;
            rows_rejected: number | null;
            mentions: number | null;
        };
        /** MentionAnswer */
        MentionAnswer: {
            handle: string;
            spelling: string;
            mention_count: number;
            weight: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
            archived_at: string | null;
        };
        /** Mentions */
        Mentions: {
            user: string;
            /** Format: date-time */
            as_of: string;
            mentions: components["schemas"]["MentionAnswer"][];
            next: string | null;
        };
        /** NetworkAnswer */
        NetworkAnswer: {
            /** Format: date-time */
            as_of: string;
            stale_since: string | null;
            users: components["schemas"]["UserDrawn"][];
            edges: components["schemas"]["EdgeBetween"][];
            cut: components["schemas"]["LeftOut"];
            looked_at: number;
            is_all: boolean;
            edges_in_graph: number;
            edges_estimated: boolean;
        };
        /** Noticed */
        Noticed: {
            count: number;
            lines?: number[];
            /** @default  */
            example: string;
            profiles?: string[];
            /** @default 0 */
            users: number;
        };
        /** Options */
        Options: {
            columns?: components["schemas"]["ColumnNames"];
            format?: components["schemas"]["InputFormat"];
            /** @default utf-8 */
            encoding: string;
            /** @default , */
            delimiter: string;
            /** @default twitter */
            profile: string;
            /** @default text */
            retweets: components["schemas"]["Retweets"] | boolean;
            clock?: components["schemas"]["Clock"];
            priority?: components["schemas"]["Priority"];
            /** @default false */
            dry_run: boolean;
            max_rejects?: components["schemas"]["RejectLimit"] | null;
            given?: components["schemas"]["Given"] | null;
            detected?: {
                [key: string]: components["schemas"]["Detected"];
            };
        };
        /**
         * Outcome
         * @enum {string}
         */
        Outcome: "found" | "none" | "gave_up";
        /** PastRun */
        PastRun: {
            /** Format: date-time */
            as_of: string;
            archive_below: number;
            /** Format: date-time */
            started_at: string;
            finished_at: string | null;
            written_down: number;
            archived: number;
            ranges_looked_at: number;
        };
        /** PathAnswer */
        PathAnswer: {
            source: string;
            target: string;
            /** Format: date-time */
            as_of: string;
            outcome: components["schemas"]["Outcome"];
            length: number | null;
            users: components["schemas"]["UserOnPath"][];
            edges: components["schemas"]["EdgeBetween"][];
            visited: number;
            detail: string;
        };
        /** Preview */
        Preview: {
            certain: boolean;
            detected: {
                [key: string]: components["schemas"]["Detected"];
            };
            columns: string[];
            questions: components["schemas"]["Question"][];
            rows: components["schemas"]["Row"][];
            rejects: components["schemas"]["Rejected"][];
            cells: string[][];
            counted: components["schemas"]["Counted"] | null;
        };
        /**
         * Priority
         * @default bulk
         * @enum {string}
         */
        Priority: "urgent" | "bulk";
        /** Problem */
        Problem: {
            type: string;
            title: string;
            status: number;
            detail: string;
            upload?: string | null;
        };
        /** ProblemDocument */
        ProblemDocument: {
            type: string;
            title: string;
            status: number;
            detail: string;
            upload?: string | null;
            instance?: string | null;
            "violated-policies"?: string[] | null;
        };
        /** Progress */
        Progress: {
            bytes_total: number;
            bytes_counted: number;
            bytes_applied: number;
            share: number;
            rows_counted: number;
            rejects_counted: number;
            mentions_counted: number;
        };
        /** Question */
        Question: {
            option: string;
            command_line: string;
            found: string;
            choices: string[];
        };
        /** Queue */
        Queue: {
            priority: string;
            batches: number;
            batches_claimed: number;
            bytes: number;
            oldest: string | null;
            seconds: number | null;
        };
        /** Queues */
        Queues: {
            /** Format: date-time */
            as_of: string;
            staged: components["schemas"]["Queue"][];
            unmerged: components["schemas"]["Unmerged"];
            max_backlog_bytes: number;
            applied: components["schemas"]["Applied"];
            messages: {
                [key: string]: number;
            } | null;
        };
        /** RankedEdge */
        RankedEdge: {
            source: string;
            source_spelling: string;
            target: string;
            target_spelling: string;
            mention_count: number;
            weight: number;
            /** Format: date-time */
            first_seen: string;
            /** Format: date-time */
            last_seen: string;
        };
        /** RankedUser */
        RankedUser: {
            handle: string;
            spelling: string;
            mentions: number;
            weight: number;
        };
        /** Ready */
        Ready: {
            status: string;
            postgresql: string;
            redis: string;
            disk: string;
        };
        /** Reject */
        Reject: {
            line: number;
            column: string | null;
            value: string | null;
            code: string;
            message: string;
            raw: string;
            raw_base64?: string;
        };
        /** RejectLimit */
        RejectLimit: {
            rows?: number | null;
            share?: number | null;
        };
        /** Rejected */
        Rejected: {
            line: number;
            code: string;
            message: string;
        };
        /** Rejects */
        Rejects: {
            rejects: components["schemas"]["Reject"][];
            next: string | null;
            rejected: number;
            kept: number;
            detail: string | null;
        };
        /** ReplayForecast */
        ReplayForecast: {
            /** Format: uuid */
            upload_id: string;
            batch_id: number | null;
            /** @constant */
            action: "replay";
            batches: number;
            rows: number | null;
            batches_purged: number;
        };
        /** Result */
        Result: {
            exact: boolean;
            difference: number;
            summary_difference: number;
            compared: components["schemas"]["Audit"];
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
            line: number;
            text: string;
            at: string;
            author: string;
            mentions: components["schemas"]["Mark"][];
        };
        /** Schedule */
        Schedule: {
            actor: string;
            every: string;
            start: string | null;
            claimed_until: string | null;
            finished_at: string | null;
            running: boolean;
            /** Format: date-time */
            next_run: string;
        };
        /** Self */
        Self: {
            keys_needed: boolean;
            key_id: string | null;
            owner: string | null;
            scopes: string[];
            graphs: string[] | null;
            expires_at: string | null;
        };
        /** Sender */
        Sender: {
            key_id: string | null;
            owner: string | null;
            address: string | null;
        };
        /** SettingAnswer */
        SettingAnswer: {
            group: string;
            name: string;
            variable: string;
            value: string;
            default: string;
            differs: boolean;
            unit: string;
            wanted: string;
            meaning: string;
        };
        /** SettingsAnswer */
        SettingsAnswer: {
            settings: components["schemas"]["SettingAnswer"][];
        };
        /** SharedAnswer */
        SharedAnswer: {
            both: number;
            left_only: number;
            right_only: number;
            jaccard: number | null;
        };
        /** TieAnswer */
        TieAnswer: {
            handle: string;
            spelling: string;
            weight: number;
            made: components["schemas"]["TieDirection"];
            received: components["schemas"]["TieDirection"];
        };
        /** TieDirection */
        TieDirection: {
            mention_count: number;
            weight: number;
            /** Format: date-time */
            last_seen: string;
            archived_at: string | null;
        };
        /** TieLists */
        TieLists: {
            both: components["schemas"]["ComparedTie"][];
            left_only: components["schemas"]["ComparedTie"][];
            right_only: components["schemas"]["ComparedTie"][];
        };
        /** Ties */
        Ties: {
            user: string;
            /** Format: date-time */
            as_of: string;
            ties: components["schemas"]["TieAnswer"][];
            next: string | null;
        };
        /** Trending */
        Trending: {
            days: number;
            until: string | null;
            worked_out_at: string | null;
            stale_since: string | null;
            users: components["schemas"]["TrendingUser"][];
        };
        /** TrendingUser */
        TrendingUser: {
            handle: string;
            spelling: string;
            mentions: number;
            mentions_before: number;
            growth: number;
        };
        /** Unmerged */
        Unmerged: {
            batches: number;
            bytes: number;
            oldest: string | null;
            deltas: number;
            mentions: number;
        };
        /** UnreadAnswer */
        UnreadAnswer: {
            /** Format: uuid */
            upload_id: string;
            filename: string | null;
            batch_id: number;
            mention_count: number;
            retracted: boolean;
            why: components["schemas"]["Why"];
        };
        /** Upload */
        Upload: {
            /** Format: uuid */
            id: string;
            state: components["schemas"]["UploadState"];
            filename: string | null;
            options: components["schemas"]["Options"];
            again: boolean;
            progress: components["schemas"]["Progress"];
            rows_received: number | null;
            rows_accepted: number | null;
            rows_rejected: number | null;
            rows_repeated: number | null;
            rows_applied: number;
            mentions: number | null;
            mentions_applied: number;
            batches: components["schemas"]["BatchesByState"];
            size_bytes: number;
            sha256: string | null;
            received_by: string;
            sent_by: components["schemas"]["Sender"] | null;
            /** Format: date-time */
            received_at: string;
            sealed_at: string | null;
            finished_at: string | null;
            seconds_receiving: number | null;
            seconds_applying: number | null;
            duplicate_of: string | null;
            parent_id: string | null;
            member_count: number | null;
            members: components["schemas"]["MemberEntry"][] | null;
            error: components["schemas"]["Problem"] | null;
            warnings: components["schemas"]["UploadWarning"][];
            purged_at: string | null;
            rejects_purged_at: string | null;
            rejects_kept: number;
            rejects_by_code: {
                [key: string]: number;
            } | null;
            note: string | null;
            links: components["schemas"]["UploadLinks"];
        };
        /** UploadLinks */
        UploadLinks: {
            upload: string;
            batches: string;
            rejects: string;
            rejects_csv: string;
            events: string;
            duplicate_of: string | null;
            parent: string | null;
        };
        /**
         * UploadState
         * @enum {string}
         */
        UploadState: "receiving" | "staged" | "applying" | "applied" | "failed" | "checking" | "checked" | "cancelling" | "cancelled" | "aborted" | "duplicate" | "retracting" | "retracted";
        /** UploadWarning */
        UploadWarning: {
            code: components["schemas"]["Code"];
            title: string;
            detail: string;
            count: number;
            lines: number[];
            profiles: string[];
        };
        /** Uploads */
        Uploads: {
            uploads: components["schemas"]["Upload"][];
            next: string | null;
        };
        /** UploadsByState */
        UploadsByState: {
            receiving: number;
            staged: number;
            applying: number;
            applied: number;
            failed: number;
            checking: number;
            checked: number;
            cancelling: number;
            cancelled: number;
            aborted: number;
            duplicate: number;
            retracting: number;
            retracted: number;
        };
        /** UserAnswer */
        UserAnswer: {
            handle: string;
            spelling: string;
            /** Format: date-time */
            as_of: string;
            mentioned_users: number;
            mentions_made: number;
            weight_made: number;
            mentioning_users: number;
            mentions_received: number;
            weight_received: number;
            self_mentions: number;
            links: components["schemas"]["UserLinks"];
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
            user: string;
            /** Format: date-time */
            as_of: string;
            stale_since: string | null;
            days_from: string | null;
            made_last_7_days: number | null;
            made_previous_7_days: number | null;
            received_last_7_days: number | null;
            received_previous_7_days: number | null;
            days: components["schemas"]["UserDay"][];
        };
        /** UserDrawn */
        UserDrawn: {
            handle: string;
            spelling: string;
            mentions_made: number | null;
            mentions_received: number | null;
            weight_made: number | null;
            weight_received: number | null;
        };
        /** UserFound */
        UserFound: {
            handle: string;
            spelling: string;
            link: string;
        };
        /** UserLinks */
        UserLinks: {
            user: string;
            outgoing: string;
            incoming: string;
            reciprocal: string;
            ego: string;
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
            users: components["schemas"]["UserFound"][];
            next: string | null;
        };
        /** Weights */
        Weights: {
            sampled: number;
            purged: number;
            differing_counts: number;
            differing_weights: number;
            largest_deviation: number;
            /** @default 0 */
            users: number;
            /** @default 0 */
            differing_users: number;
        };
        /**
         * Why
         * @enum {string}
         */
        Why: "purged" | "erased" | "unknown_profile";
        /** WithdrawalForecast */
        WithdrawalForecast: {
            /** Format: uuid */
            upload_id: string;
            /** @enum {string} */
            action: "cancel" | "retract";
            state: components["schemas"]["UploadState"];
            batches: number;
            batches_not_counted: number;
            batches_taken_out: number;
            rows_taken_out: number;
            mentions_taken_out: number;
            edges_gone: number | null;
            edges_weaker: number | null;
            users_gone: number | null;
            exact: boolean | null;
            posts_handed_over: boolean;
            detail: string | null;
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
                     *       "uploads": [
                     *         {
                     *           "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "state": "applying",
                     *           "filename": "posts.csv",
                     *           "options": {
                     *             "columns": {
                     *               "text": "data",
                     *               "timestamp": "timestamp",
                     *               "author": "username"
                     *             },
                     *             "format": "csv",
                     *             "encoding": "utf-8",
                     *             "delimiter": ",",
                     *             "profile": "twitter",
                     *             "retweets": true,
                     *             "clock": "arrival",
                     *             "priority": "bulk",
                     *             "dry_run": false,
                     *             "max_rejects": {
                     *               "share": 0.05
                     *             }
                     *           },
                     *           "again": false,
                     *           "progress": {
                     *             "bytes_total": 25165824,
                     *             "bytes_counted": 16777216,
                     *             "bytes_applied": 8388608,
                     *             "share": 0.5,
                     *             "rows_counted": 134201,
                     *             "rejects_counted": 11,
                     *             "mentions_counted": 100712
                     *           },
                     *           "rows_received": 201304,
                     *           "rows_applied": 67093,
                     *           "mentions_applied": 50301,
                     *           "batches": {
                     *             "staged": 1,
                     *             "counted": 1,
                     *             "applied": 1,
                     *             "failed": 0,
                     *             "checked": 0,
                     *             "cancelled": 0,
                     *             "retracting": 0,
                     *             "retracted": 0
                     *           },
                     *           "size_bytes": 25165932,
                     *           "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *           "received_by": "mentiongraph api@host:4711",
                     *           "sent_by": {
                     *             "key_id": "Fq3xT81b",
                     *             "owner": "grace",
                     *             "address": "192.0.2.7"
                     *           },
                     *           "received_at": "2026-01-15T12:00:00Z",
                     *           "sealed_at": "2026-01-15T12:00:00.25Z",
                     *           "seconds_receiving": 0.25,
                     *           "warnings": [
                     *             {
                     *               "code": "handles-cut",
                     *               "title": "Handles were cut off",
                     *               "detail": "2 posts end within a handle.",
                     *               "count": 2,
                     *               "lines": [
                     *                 17,
                     *                 41
                     *               ],
                     *               "profiles": []
                     *             }
                     *           ],
                     *           "rejects_kept": 11,
                     *           "rejects_by_code": {
                     *             "unreadable_timestamp": 8,
                     *             "empty_author": 3
                     *           },
                     *           "note": "Second delivery; the first one lacked November",
                     *           "links": {
                     *             "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *             "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *             "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *             "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *             "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *           }
                     *         }
                     *       ],
                     *       "next": "/uploads?limit=1&before=019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e"
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
                "text/csv": string;
                "application/x-ndjson": string;
                "application/json": string;
                "application/octet-stream": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "total": 214,
                     *       "states": {
                     *         "receiving": 1,
                     *         "staged": 1,
                     *         "applying": 1,
                     *         "applied": 187,
                     *         "failed": 3,
                     *         "checking": 0,
                     *         "checked": 0,
                     *         "cancelling": 0,
                     *         "cancelled": 6,
                     *         "aborted": 5,
                     *         "duplicate": 6,
                     *         "retracting": 0,
                     *         "retracted": 4
                     *       }
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
                "text/csv": string;
                "application/x-ndjson": string;
                "application/json": string;
                "application/octet-stream": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                "text/csv": string;
                "application/x-ndjson": string;
                "application/json": string;
                "application/octet-stream": string;
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
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
                     *       "certain": true,
                     *       "detected": {
                     *         "format": {
                     *           "value": "csv",
                     *           "sure": "certain",
                     *           "reason": "the file does not begin as JSON does"
                     *         },
                     *         "delimiter": {
                     *           "value": ";",
                     *           "sure": "certain",
                     *           "reason": "rows have 3 fields with a semicolon between them"
                     *         },
                     *         "author": {
                     *           "value": "Benutzer",
                     *           "sure": "certain",
                     *           "reason": "its name is 'Benutzer'"
                     *         },
                     *         "dates": {
                     *           "value": "day-first",
                     *           "sure": "certain",
                     *           "reason": "'31/12/2023 14:05' can only be read so"
                     *         }
                     *       },
                     *       "columns": [
                     *         "Text",
                     *         "Datum",
                     *         "Benutzer"
                     *       ],
                     *       "questions": [],
                     *       "rows": [
                     *         {
                     *           "line": 2,
                     *           "text": "Danke @ada, bis später",
                     *           "at": "2023-12-31T14:05:00.000000Z",
                     *           "author": "grace",
                     *           "mentions": [
                     *             {
                     *               "handle": "ada",
                     *               "kind": "mention",
                     *               "start": 6,
                     *               "end": 10
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "rejects": [],
                     *       "cells": [
                     *         [
                     *           "Danke @ada, bis später",
                     *           "31/12/2023 14:05",
                     *           "grace"
                     *         ]
                     *       ],
                     *       "counted": {
                     *         "bytes": 48,
                     *         "rows": 1,
                     *         "rejected": 0,
                     *         "mentioning": 1,
                     *         "mentions": 1,
                     *         "whole": true
                     *       }
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
                     *           "id": 42,
                     *           "ordinal": 0,
                     *           "state": "applied",
                     *           "first_line": 2,
                     *           "size_bytes": 8388608,
                     *           "attempts": 1,
                     *           "profile": "twitter",
                     *           "profile_version": 1,
                     *           "rows_received": 67101,
                     *           "rows_accepted": 67093,
                     *           "rows_rejected": 8,
                     *           "mentions": 50301,
                     *           "edges": 49822,
                     *           "staged_at": "2026-01-15T12:00:00.1Z",
                     *           "counted_at": "2026-01-15T12:00:00.4Z",
                     *           "applied_at": "2026-01-15T12:00:00.9Z",
                     *           "warnings": {
                     *             "handles-cut": {
                     *               "count": 2,
                     *               "lines": [
                     *                 17,
                     *                 41
                     *               ]
                     *             }
                     *           },
                     *           "rejects_kept": 8,
                     *           "rejects_by_code": {
                     *             "unreadable_timestamp": 8
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
                     *       "rejects": [
                     *         {
                     *           "line": 17,
                     *           "column": "timestamp",
                     *           "value": "yesterday",
                     *           "code": "unreadable_timestamp",
                     *           "message": "The column 'timestamp' (field 2) is 'yesterday'. Write ISO 8601 such as 2024-05-01T12:30:00Z, or the seconds (9 or 10 digits, with or without a fraction) or milliseconds (13 digits) since 1970.",
                     *           "raw": "hello @ada,yesterday,grace"
                     *         }
                     *       ],
                     *       "rejected": 1,
                     *       "kept": 1
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "action": "cancel",
                     *       "state": "applying",
                     *       "batches": 12,
                     *       "batches_not_counted": 2,
                     *       "batches_taken_out": 9,
                     *       "rows_taken_out": 434806,
                     *       "mentions_taken_out": 485571,
                     *       "edges_gone": 21308,
                     *       "edges_weaker": 140112,
                     *       "exact": false,
                     *       "posts_handed_over": false,
                     *       "detail": "The numbers of edges are estimated from a sample."
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "cancelling",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "action": "retract",
                     *       "state": "applied",
                     *       "batches": 12,
                     *       "batches_not_counted": 0,
                     *       "batches_taken_out": 12,
                     *       "rows_taken_out": 434806,
                     *       "mentions_taken_out": 485571,
                     *       "edges_gone": 21308,
                     *       "edges_weaker": 140112,
                     *       "exact": false,
                     *       "posts_handed_over": false,
                     *       "detail": "The numbers of edges are estimated from a sample."
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "retracting",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "action": "replay",
                     *       "batches": 2,
                     *       "rows": 134201,
                     *       "batches_purged": 0
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                     *       "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "batch_id": 42,
                     *       "action": "replay",
                     *       "batches": 1,
                     *       "rows": 134201,
                     *       "batches_purged": 0
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
                     *       "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *       "state": "applying",
                     *       "filename": "posts.csv",
                     *       "options": {
                     *         "columns": {
                     *           "text": "data",
                     *           "timestamp": "timestamp",
                     *           "author": "username"
                     *         },
                     *         "format": "csv",
                     *         "encoding": "utf-8",
                     *         "delimiter": ",",
                     *         "profile": "twitter",
                     *         "retweets": true,
                     *         "clock": "arrival",
                     *         "priority": "bulk",
                     *         "dry_run": false,
                     *         "max_rejects": {
                     *           "share": 0.05
                     *         }
                     *       },
                     *       "again": false,
                     *       "progress": {
                     *         "bytes_total": 25165824,
                     *         "bytes_counted": 16777216,
                     *         "bytes_applied": 8388608,
                     *         "share": 0.5,
                     *         "rows_counted": 134201,
                     *         "rejects_counted": 11,
                     *         "mentions_counted": 100712
                     *       },
                     *       "rows_received": 201304,
                     *       "rows_applied": 67093,
                     *       "mentions_applied": 50301,
                     *       "batches": {
                     *         "staged": 1,
                     *         "counted": 1,
                     *         "applied": 1,
                     *         "failed": 0,
                     *         "checked": 0,
                     *         "cancelled": 0,
                     *         "retracting": 0,
                     *         "retracted": 0
                     *       },
                     *       "size_bytes": 25165932,
                     *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                     *       "received_by": "mentiongraph api@host:4711",
                     *       "sent_by": {
                     *         "key_id": "Fq3xT81b",
                     *         "owner": "grace",
                     *         "address": "192.0.2.7"
                     *       },
                     *       "received_at": "2026-01-15T12:00:00Z",
                     *       "sealed_at": "2026-01-15T12:00:00.25Z",
                     *       "seconds_receiving": 0.25,
                     *       "warnings": [
                     *         {
                     *           "code": "handles-cut",
                     *           "title": "Handles were cut off",
                     *           "detail": "2 posts end within a handle.",
                     *           "count": 2,
                     *           "lines": [
                     *             17,
                     *             41
                     *           ],
                     *           "profiles": []
                     *         }
                     *       ],
                     *       "rejects_kept": 11,
                     *       "rejects_by_code": {
                     *         "unreadable_timestamp": 8,
                     *         "empty_author": 3
                     *       },
                     *       "note": "Second delivery; the first one lacked November",
                     *       "links": {
                     *         "upload": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *         "batches": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/batches",
                     *         "rejects": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects",
                     *         "rejects_csv": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/rejects.csv",
                     *         "events": "/uploads/019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e/events"
                     *       }
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
                    filter?: {
                        state?: ("receiving" | "staged" | "applying" | "applied" | "failed" | "checking" | "checked" | "cancelling" | "cancelled" | "aborted" | "duplicate" | "retracting" | "retracted")[];
                        text?: string;
                        /** Format: date-time */
                        since?: string;
                        /** Format: date-time */
                        until?: string;
                        owner?: string;
                    };
                    uploads?: string[];
                    dry_run?: boolean;
                    expected?: number;
                    /** Format: uuid */
                    before?: string;
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
                     *       "matching": 4,
                     *       "unknown": 0,
                     *       "cancel": {
                     *         "fits": 1,
                     *         "with_zip": 0,
                     *         "unfit": 3
                     *       },
                     *       "retract": {
                     *         "fits": 2,
                     *         "with_zip": 0,
                     *         "unfit": 2
                     *       },
                     *       "replay": {
                     *         "fits": 0,
                     *         "with_zip": 0,
                     *         "unfit": 4
                     *       }
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
                     *       "matching": 4,
                     *       "unknown": 0,
                     *       "fits": 2,
                     *       "with_zip": 0,
                     *       "unfit": 2,
                     *       "done": 1,
                     *       "refused": 1,
                     *       "uploads": [
                     *         {
                     *           "id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "outcome": "done"
                     *         },
                     *         {
                     *           "id": "019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77",
                     *           "outcome": "refused",
                     *           "detail": "upload 019bc0f2-11d3-7b02-9c52-0a8f6f2f1c77 is retracting: only an applied or failed one is retracted."
                     *         }
                     *       ]
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "spelling": "Grace",
                     *           "link": "/users/grace"
                     *         }
                     *       ],
                     *       "next": "/users?prefix=gra&limit=1&after=grace"
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "handle": "grace",
                     *       "spelling": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mentioned_users": 12,
                     *       "mentions_made": 31,
                     *       "weight_made": 18.2071,
                     *       "mentioning_users": 4,
                     *       "mentions_received": 9,
                     *       "weight_received": 5.5024,
                     *       "self_mentions": 1,
                     *       "links": {
                     *         "user": "/users/grace",
                     *         "outgoing": "/users/grace/outgoing",
                     *         "incoming": "/users/grace/incoming",
                     *         "reciprocal": "/users/grace/reciprocal",
                     *         "ego": "/users/grace/ego"
                     *       }
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "user": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mentions": [
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
                     *         }
                     *       ],
                     *       "next": "/users/grace/outgoing?limit=1&cursor=4005b6ae7d566cf47fffffffffffffff&as_of=2026-01-15T12%3A00%3A00Z"
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "user": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mentions": [
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
                     *         }
                     *       ],
                     *       "next": "/users/grace/outgoing?limit=1&cursor=4005b6ae7d566cf47fffffffffffffff&as_of=2026-01-15T12%3A00%3A00Z"
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "user": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "ties": [
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "weight": 1.8114,
                     *           "made": {
                     *             "mention_count": 3,
                     *             "weight": 2.7143,
                     *             "last_seen": "2026-01-15T12:00:00Z"
                     *           },
                     *           "received": {
                     *             "mention_count": 2,
                     *             "weight": 1.8114,
                     *             "last_seen": "2026-01-14T08:15:00Z"
                     *           }
                     *         }
                     *       ]
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "user": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days_from": "2025-12-12",
                     *       "made_last_7_days": 9,
                     *       "made_previous_7_days": 4,
                     *       "received_last_7_days": 2,
                     *       "received_previous_7_days": 2,
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
                     *       ]
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
                     *       "graph": "default",
                     *       "dry_run": false,
                     *       "keep_out": true,
                     *       "mentions": 1312,
                     *       "deltas": 64,
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 2,
                     *       "texts": 1,
                     *       "cache_cleared": true,
                     *       "still_held": [
                     *         "PostgreSQL's write-ahead log before 0/3A2C1F8 holds old rows, until its files are overwritten."
                     *       ]
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
                     *       "graph": "default",
                     *       "dry_run": false,
                     *       "keep_out": true,
                     *       "mentions": 1312,
                     *       "deltas": 64,
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 2,
                     *       "texts": 1,
                     *       "cache_cleared": true,
                     *       "still_held": [
                     *         "PostgreSQL's write-ahead log before 0/3A2C1F8 holds old rows, until its files are overwritten."
                     *       ]
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
                     *       "id": 17,
                     *       "state": "running",
                     *       "keep_out": true,
                     *       "began_at": "2026-01-15T12:00:00.25Z",
                     *       "step": "payloads",
                     *       "step_done": 40,
                     *       "step_total": 112,
                     *       "moved_at": "2026-01-15T12:00:09.5Z",
                     *       "mentions": 0,
                     *       "deltas": 0,
                     *       "payloads": 9,
                     *       "payloads_dropped": 0,
                     *       "rejects": 0,
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "mention_count": 3,
                     *       "weight": 2.7143,
                     *       "first_seen": "2026-01-12T09:30:00Z",
                     *       "last_seen": "2026-01-15T12:00:00Z",
                     *       "links": {
                     *         "source": "/users/grace",
                     *         "target": "/users/ada"
                     *       }
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days_from": "2025-12-12",
                     *       "last_7_days": 3,
                     *       "previous_7_days": 1,
                     *       "days": [
                     *         {
                     *           "day": "2026-01-14",
                     *           "mentions": 0
                     *         },
                     *         {
                     *           "day": "2026-01-15",
                     *           "mentions": 2
                     *         }
                     *       ]
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
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "contributions": [
                     *         {
                     *           "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "filename": "posts.csv",
                     *           "batch_id": 42,
                     *           "ordinal": 0,
                     *           "first_line": 2,
                     *           "mention_count": 3,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z",
                     *           "applied_at": "2026-01-15T12:00:00.9Z",
                     *           "profile": "twitter",
                     *           "profile_version": 1,
                     *           "retracted": false
                     *         }
                     *       ],
                     *       "purged": false
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
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "lines": [
                     *         {
                     *           "upload_id": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "filename": "posts.csv",
                     *           "batch_id": 42,
                     *           "line": 4431,
                     *           "at": "2026-01-15T11:42:00Z",
                     *           "text": "It runs again. Thanks @ada!",
                     *           "cut_before": false,
                     *           "cut_after": false,
                     *           "mention_count": 1,
                     *           "mentions": [
                     *             {
                     *               "handle": "ada",
                     *               "kind": "mention",
                     *               "start": 22,
                     *               "end": 26
                     *             }
                     *           ],
                     *           "repeated": false,
                     *           "retracted": false
                     *         }
                     *       ],
                     *       "unread": [],
                     *       "purged": false
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "user": "Grace",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "depth": 1,
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "spelling": "Grace",
                     *           "distance": 0,
                     *           "mentions_made": 31,
                     *           "mentions_received": 9,
                     *           "weight_made": 18.2071,
                     *           "weight_received": 5.5024
                     *         },
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "distance": 1,
                     *           "weight": 4.5257,
                     *           "mentions_made": 7,
                     *           "mentions_received": 3127,
                     *           "weight_made": 3.9012,
                     *           "weight_received": 842.1193
                     *         }
                     *       ],
                     *       "edges": [
                     *         {
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
                     *         }
                     *       ],
                     *       "cut": {
                     *         "users": 13,
                     *         "edges": 1,
                     *         "not_followed": []
                     *       }
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "source": "Grace",
                     *       "target": "ada",
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "outcome": "found",
                     *       "length": 1,
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
                     *       "edges": [
                     *         {
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
                     *         }
                     *       ],
                     *       "visited": 2,
                     *       "detail": "grace → ada"
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "users": [
                     *         {
                     *           "handle": "grace",
                     *           "spelling": "Grace",
                     *           "mentions_made": 31,
                     *           "mentions_received": 9,
                     *           "weight_made": 18.2071,
                     *           "weight_received": 5.5024
                     *         },
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "mentions_made": 7,
                     *           "mentions_received": 3127,
                     *           "weight_made": 3.9012,
                     *           "weight_received": 842.1193
                     *         }
                     *       ],
                     *       "edges": [
                     *         {
                     *           "source": "grace",
                     *           "target": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
                     *         }
                     *       ],
                     *       "cut": {
                     *         "users": 111,
                     *         "edges": 1275
                     *       },
                     *       "looked_at": 1276,
                     *       "is_all": true,
                     *       "edges_in_graph": 1276,
                     *       "edges_estimated": false
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "buckets": [
                     *         {
                     *           "least": 1,
                     *           "most": 1,
                     *           "edges": 610
                     *         },
                     *         {
                     *           "least": 2,
                     *           "most": 2,
                     *           "edges": 271
                     *         },
                     *         {
                     *           "least": 6,
                     *           "most": 7,
                     *           "edges": 48
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "days_from": "2025-12-12",
                     *       "last_7_days": 1071,
                     *       "previous_7_days": 998,
                     *       "days": [
                     *         {
                     *           "day": "2026-01-14",
                     *           "mentions": 148
                     *         },
                     *         {
                     *           "day": "2026-01-15",
                     *           "mentions": 96
                     *         }
                     *       ]
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "edges": [
                     *         {
                     *           "source": "grace",
                     *           "source_spelling": "Grace",
                     *           "target": "ada",
                     *           "target_spelling": "ada",
                     *           "mention_count": 3,
                     *           "weight": 2.7143,
                     *           "first_seen": "2026-01-12T09:30:00Z",
                     *           "last_seen": "2026-01-15T12:00:00Z"
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
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
                     *           "spelling": "ada",
                     *           "mentions": 3127,
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
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
                     *           "spelling": "ada",
                     *           "mentions": 3127,
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
                    ETag?: unknown;
                    "Cache-Status"?: unknown;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "days": 7,
                     *       "until": "2026-01-15",
                     *       "worked_out_at": "2026-01-15T11:58:00Z",
                     *       "users": [
                     *         {
                     *           "handle": "ada",
                     *           "spelling": "ada",
                     *           "mentions": 190,
                     *           "mentions_before": 40,
                     *           "growth": 4
                     *         }
                     *       ]
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
                     *           "id": 17,
                     *           "at": "2026-01-15T12:00:00.25Z",
                     *           "action": "upload.retract",
                     *           "outcome": "done",
                     *           "subject": "019bc1a4-7a10-7c39-a7d5-4d2c5f0f6b1e",
                     *           "key_id": "Fq3xT81b",
                     *           "owner": "grace",
                     *           "address": "192.0.2.7",
                     *           "process": "mentiongraph api@host:4711"
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
                     *         "state": "done",
                     *         "sample": 200,
                     *         "asked_at": "2026-01-15T12:00:00Z",
                     *         "asked_by": {
                     *           "key_id": "4fQz81Lk",
                     *           "owner": "ada",
                     *           "address": "192.0.2.7"
                     *         },
                     *         "began_at": "2026-01-15T12:00:00.1Z",
                     *         "finished_at": "2026-01-15T12:00:04Z",
                     *         "process": "mentiongraph worker@graph-1:812",
                     *         "result": {
                     *           "exact": true,
                     *           "difference": 0,
                     *           "summary_difference": 0,
                     *           "compared": {
                     *             "mentions_in_edges": 2901344,
                     *             "mentions_in_archive": 84529,
                     *             "mentions_pending": 198333,
                     *             "mentions_in_summaries": 2985873,
                     *             "mentions_unsummarized": 0,
                     *             "received_unlike_made": 0,
                     *             "mentions_in_ledger": 3184206,
                     *             "edges_archived_and_not": 0,
                     *             "edges_without_users": 0,
                     *             "batches_with_lost_rejects": 0,
                     *             "orphaned_deltas": 0,
                     *             "batches_unlike_their_deltas": 0,
                     *             "batches_unlike_their_ids": 0,
                     *             "batches_left_counted": 0,
                     *             "uploads_missing_batches": 0,
                     *             "uploads_finished_early": 0,
                     *             "uploads_left_unfinished": 0,
                     *             "uploads_unlike_their_batches": 0,
                     *             "weights": {
                     *               "sampled": 200,
                     *               "purged": 0,
                     *               "differing_counts": 0,
                     *               "differing_weights": 0,
                     *               "largest_deviation": 2.2e-16,
                     *               "users": 200,
                     *               "differing_users": 0
                     *             }
                     *           }
                     *         }
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
                     *         "state": "waiting",
                     *         "sample": 200,
                     *         "asked_at": "2026-01-15T12:00:00Z",
                     *         "asked_by": {
                     *           "key_id": "4fQz81Lk",
                     *           "owner": "ada",
                     *           "address": "192.0.2.7"
                     *         }
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
                     *           "group": "Servers",
                     *           "name": "database_url",
                     *           "variable": "MENTIONGRAPH_DATABASE_URL",
                     *           "value": "postgresql://mentiongraph:***@postgres:5432/mentiongraph",
                     *           "default": "postgresql://localhost:5432/mentiongraph",
                     *           "differs": true,
                     *           "unit": "",
                     *           "wanted": "text",
                     *           "meaning": "Address of PostgreSQL: a URL or connection string as libpq takes it."
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
                     *           "name": "elections",
                     *           "state": "ready",
                     *           "half_life": "30d",
                     *           "shards": 8,
                     *           "profile": "instagram",
                     *           "days_kept": 35,
                     *           "retention_days": 30,
                     *           "quota_bytes": 10737418240,
                     *           "created_at": "2026-01-15T12:00:00Z",
                     *           "links": {
                     *             "graph": "/graphs/elections",
                     *             "base": "/graphs/elections"
                     *           }
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
                    name: string;
                    half_life?: string;
                    /** @enum {integer} */
                    shards?: 1 | 2 | 4 | 8 | 16 | 32 | 64;
                    database_url?: string | null;
                    take_over?: boolean;
                    /** @enum {string|null} */
                    profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word" | null;
                    days_kept?: number | null;
                    retention_days?: number | null;
                    quota_bytes?: number | null;
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
                     *       "name": "elections",
                     *       "state": "ready",
                     *       "half_life": "30d",
                     *       "shards": 8,
                     *       "profile": "instagram",
                     *       "days_kept": 35,
                     *       "retention_days": 30,
                     *       "quota_bytes": 10737418240,
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "links": {
                     *         "graph": "/graphs/elections",
                     *         "base": "/graphs/elections"
                     *       }
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
                     *       "name": "elections",
                     *       "state": "ready",
                     *       "half_life": "30d",
                     *       "shards": 8,
                     *       "profile": "instagram",
                     *       "days_kept": 35,
                     *       "retention_days": 30,
                     *       "quota_bytes": 10737418240,
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "links": {
                     *         "graph": "/graphs/elections",
                     *         "base": "/graphs/elections"
                     *       },
                     *       "size_bytes": 96509952,
                     *       "edges": 268114,
                     *       "users": 51220,
                     *       "uploads": 12
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
                    name?: string;
                    /** @enum {string|null} */
                    profile?: "twitter" | "mastodon" | "bluesky" | "instagram" | "tiktok" | "youtube" | "reddit" | "telegram" | "weibo" | "github" | "word" | null;
                    days_kept?: number | null;
                    retention_days?: number | null;
                    quota_bytes?: number | null;
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
                     *       "name": "elections",
                     *       "state": "ready",
                     *       "half_life": "30d",
                     *       "shards": 8,
                     *       "profile": "instagram",
                     *       "days_kept": 35,
                     *       "retention_days": 30,
                     *       "quota_bytes": 10737418240,
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "links": {
                     *         "graph": "/graphs/elections",
                     *         "base": "/graphs/elections"
                     *       }
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
                     *       "status": "ready",
                     *       "postgresql": "ready",
                     *       "redis": "ready",
                     *       "disk": "enough"
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
                     *       "processes": [
                     *         {
                     *           "role": "scheduler",
                     *           "host": "graph-1",
                     *           "pid": 812,
                     *           "started_at": "2026-01-15T09:12:31Z",
                     *           "seen_at": "2026-01-15T12:00:02Z"
                     *         }
                     *       ],
                     *       "periods": [
                     *         {
                     *           "actor": "decay",
                     *           "every": "1d",
                     *           "start": "2026-01-15T00:00:00Z",
                     *           "finished_at": "2026-01-15T00:00:41Z",
                     *           "running": false,
                     *           "next_run": "2026-01-16T00:00:00Z"
                     *         }
                     *       ],
                     *       "graphs": [
                     *         {
                     *           "graph": "elections",
                     *           "ailment": "does not answer"
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
                     *           "graph": "default",
                     *           "state": "ready",
                     *           "database": "ready"
                     *         },
                     *         {
                     *           "graph": "elections",
                     *           "state": "ready",
                     *           "database": "does not answer"
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
                     *       "as_of": "2026-01-15T12:00:00Z",
                     *       "staged": [
                     *         {
                     *           "priority": "urgent",
                     *           "batches": 1,
                     *           "batches_claimed": 1,
                     *           "bytes": 4194304,
                     *           "oldest": "2026-01-15T11:59:59Z",
                     *           "seconds": 1
                     *         },
                     *         {
                     *           "priority": "bulk",
                     *           "batches": 10,
                     *           "batches_claimed": 2,
                     *           "bytes": 79691776,
                     *           "oldest": "2026-01-15T11:58:41Z",
                     *           "seconds": 79
                     *         }
                     *       ],
                     *       "unmerged": {
                     *         "batches": 3,
                     *         "bytes": 25165824,
                     *         "oldest": "2026-01-15T11:59:57Z",
                     *         "deltas": 21,
                     *         "mentions": 198333
                     *       },
                     *       "max_backlog_bytes": 68719476736,
                     *       "applied": {
                     *         "uploads": 994,
                     *         "median_seconds": 0.8,
                     *         "p99_seconds": 4.1
                     *       },
                     *       "messages": {
                     *         "bulk": 9,
                     *         "soon": 0,
                     *         "urgent": 0,
                     *         "maintenance": 0
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
                     *       "half_life": "7d",
                     *       "stale_after_days": 28,
                     *       "archive_below": 0.06,
                     *       "every": "1d",
                     *       "archived_edges": 84529,
                     *       "written_down_today": 318204,
                     *       "archived_today": 12911,
                     *       "runs": [
                     *         {
                     *           "as_of": "2026-01-15T00:00:03Z",
                     *           "archive_below": 0.06,
                     *           "started_at": "2026-01-15T00:00:03Z",
                     *           "finished_at": "2026-01-15T00:00:44Z",
                     *           "written_down": 318204,
                     *           "archived": 12911,
                     *           "ranges_looked_at": 512
                     *         }
                     *       ]
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
                     *       "state": "ready",
                     *       "since_start": {
                     *         "hits": 48211,
                     *         "not_modified": 970,
                     *         "misses": 3104,
                     *         "stored": 3090,
                     *         "not_stored": 14,
                     *         "damaged": 0,
                     *         "failures": 0
                     *       }
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
                     *           "id": "4fQz81Lk",
                     *           "owner": "ada",
                     *           "scopes": [
                     *             "graph:read",
                     *             "uploads:write"
                     *           ],
                     *           "state": "usable",
                     *           "created_at": "2026-01-15T12:00:00Z",
                     *           "expires_at": "2026-04-15T12:00:00Z"
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
                    owner: string;
                    scopes: ("graph:read" | "graph:export" | "uploads:write" | "uploads:read" | "uploads:manage" | "metrics" | "admin")[];
                    graphs?: string[] | null;
                    days?: number | null;
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
                     *       "token": "mg_4fQz81Lk_…",
                     *       "key": {
                     *         "id": "4fQz81Lk",
                     *         "owner": "ada",
                     *         "scopes": [
                     *           "graph:read",
                     *           "uploads:write"
                     *         ],
                     *         "state": "usable",
                     *         "created_at": "2026-01-15T12:00:00Z",
                     *         "expires_at": "2026-04-15T12:00:00Z"
                     *       }
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
                     *       "keys_needed": true,
                     *       "key_id": "4fQz81Lk",
                     *       "owner": "ada",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ],
                     *       "expires_at": "2026-04-15T12:00:00Z"
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
                     *       "id": "4fQz81Lk",
                     *       "owner": "ada",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ],
                     *       "state": "usable",
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "expires_at": "2026-04-15T12:00:00Z"
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
                     *       "id": "4fQz81Lk",
                     *       "owner": "ada",
                     *       "scopes": [
                     *         "graph:read",
                     *         "uploads:write"
                     *       ],
                     *       "state": "revoked",
                     *       "created_at": "2026-01-15T12:00:00Z",
                     *       "expires_at": "2026-04-15T12:00:00Z",
                     *       "revoked_at": "2026-01-20T08:00:00Z"
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
                    grace_hours?: number;
                    days?: number | null;
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
                     *       "token": "mg_4fQz81Lk_…",
                     *       "key": {
                     *         "id": "4fQz81Lk",
                     *         "owner": "ada",
                     *         "scopes": [
                     *           "graph:read",
                     *           "uploads:write"
                     *         ],
                     *         "state": "usable",
                     *         "created_at": "2026-01-15T12:00:00Z",
                     *         "expires_at": "2026-04-15T12:00:00Z"
                     *       }
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
}
