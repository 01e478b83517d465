"""What stands in kfer's JSON files, as typed models, and the one reader that checks it.

Each module describes the files of one room. Fields that a later kfer adds are let through and kept. This
package imports pydantic, so modules that must be quick to import take it late.
"""

from kfer.documents.reading import read as read
from kfer.documents.reading import validated as validated
