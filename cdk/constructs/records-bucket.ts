/** Buckets of ciphertext: the custodian's, and those of hospitals' copies. */

import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, HttpMethods } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { acknowledgeWildcard } from './acknowledge.ts';

/** Seconds that a browser may remember what the bucket allows. */
const CORS_SECONDS = 3_600;

/** Properties of `RecordsBucket`. */
export interface RecordsBucketProps {
  /** The bucket outlives its stack. */
  readonly retain: boolean;
}

/** A private bucket without versions: what a rotation or an erasure deletes is gone (design §7). */
export class RecordsBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: RecordsBucketProps) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      versioned: false,
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(7) }],
      cors: [
        {
          // A presigned URL is the whole permission: the origin of the page adds nothing.
          allowedOrigins: ['*'],
          allowedMethods: [HttpMethods.GET, HttpMethods.HEAD, HttpMethods.PUT],
          allowedHeaders: ['*'],
          exposedHeaders: ['ETag', 'Content-Range', 'x-amz-checksum-sha256'],
          maxAge: CORS_SECONDS,
        },
      ],
    });
    Validations.of(this.bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Every release is a transaction on the ledger; access logs would hold presigned URLs ' +
        'and the addresses of readers.',
    });
  }

  /** Lets a role read, write and delete objects, also in parts, and learn that one is missing. */
  grantObjects(grantee: IGrantable): Grant {
    const objects = Grant.addToPrincipal({
      grantee,
      actions: [
        's3:GetObject',
        's3:PutObject',
        's3:DeleteObject',
        's3:AbortMultipartUpload',
        's3:ListMultipartUploadParts',
      ],
      resourceArns: [this.bucket.arnForObjects('*')],
    });
    const list = Grant.addToPrincipal({
      grantee,
      actions: ['s3:ListBucket'],
      resourceArns: [this.bucket.bucketArn],
    });
    return objects.combine(list);
  }

  /** Lets a role read objects, which is also what it may presign. */
  grantRead(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['s3:GetObject'],
      resourceArns: [this.bucket.arnForObjects('*')],
    });
  }

  /** Says why a role that was granted objects holds a wildcard. */
  acknowledgeObjects(role: Construct, reason: string): void {
    acknowledgeWildcard(
      role,
      `Resource::<${this.bucket.stack.getLogicalId(this.bucket.node.defaultChild as never)}.Arn>/*`,
      reason,
    );
  }
}
